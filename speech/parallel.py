"""Spread independent work over cores without changing its result."""

import signal
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import resource_tracker
from typing import Any, Literal, TypeVar

from joblib import Parallel, delayed, parallel_config
from joblib._multiprocessing_helpers import mp
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import BrokenProcessPool
from threadpoolctl import threadpool_limits

from speech.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

Workers = int | str
"""How many of this machine, -1 for one per core; or those of a Dask cluster, by the address of its
scheduler or the path of its scheduler file."""

Prefer = Literal["processes", "threads"]
"""What kind of workers this machine runs."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
"""Returns an iterable of so many items, unchanged and in order, and shows how far it has come."""


def silent(items: Iterable[Any], total: int) -> Iterable[Any]:  # noqa: ARG001
    """Show no progress: the default of every function that takes a `Progress`."""
    return items


def spread(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: Workers,
    progress: Progress = silent,
    prefer: Prefer = "processes",
) -> list[Result]:
    """Apply a function to every item in parallel, each worker on one thread of BLAS and OpenMP.

    The limit is set once around all workers: it belongs to the whole process, so workers that
    set it for themselves would undo each other's, and with it the order of sums.

    Parameters
    ----------
    function
        Called once per item. With processes it must be picklable by cloudpickle.
    items
        What to work on.
    jobs
        How many workers, or whose.
    progress
        Shown as results come in.
    prefer
        Threads for work that releases the GIL (decoding), processes for the rest. Workers of a
        cluster are processes.

    Returns
    -------
    list
        The results, in the order of the items.

    Raises
    ------
    UserError
        If the system ended a worker process, or the cluster is not to be had.
    """
    if isinstance(jobs, str):
        try:
            from speech.cluster import call_on_cluster
        except ModuleNotFoundError as error:
            raise UserError(
                f"compute.scheduler: needs the module {error.name}; run `pip install -e "
                "'.[cluster]'`, or set it to null to work on this machine alone."
            ) from None
        return list(progress(call_on_cluster(function, items, jobs), len(items)))
    # Without semaphores, as in a container without /dev/shm, joblib has no processes.
    backend = (
        {"backend": "loky", "inner_max_num_threads": 1}
        if prefer == "processes" and mp is not None
        else {"backend": "threading"}
    )
    with threadpool_limits(1), parallel_config(**backend):
        # Workers start with Ctrl-C blocked, and inherit that: who ends them is this process, and
        # theirs would be tracebacks beside its one line.
        if backend["backend"] == "loky" and jobs != 1:
            for tracker in (loky_tracker, resource_tracker):
                tracker.ensure_running()  # its start would unblock Ctrl-C
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            results = Parallel(n_jobs=jobs, return_as="generator")(
                delayed(function)(item) for item in items
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            return list(progress(results, len(items)))
        except BrokenProcessPool:
            raise UserError(
                "compute.jobs: the system ended a worker process, most often for want of "
                "memory; set it lower and run again."
            ) from None


def end_workers() -> None:
    """End worker processes at once, whatever they are at; otherwise they outlive a signal."""
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
