"""Calls on the workers of a Dask cluster, which see the same files as this machine.

What is called is written once to a file that every worker reads; a fit's examples, which are
mapped, are there only by the path of their own file. Over the network go an item for each call,
and what comes of it.
"""

import hashlib
import json
import logging
import os
import platform
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import chdir, closing
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import cloudpickle
from dask.utils import funcname
from distributed import Client, Future, KilledWorker, Worker, get_worker
from distributed.comm import get_address_host_port
from threadpoolctl import threadpool_limits

from speech.errors import UserError

Result = TypeVar("Result")

_LIBRARIES = (
    *("numpy", "scipy", "pandas", "soundfile", "soxr", "python_speech_features"),
    *("praat-parselmouth", "torch", "transformers", "scikit-learn", "keras", "tensorflow"),
    *("safetensors", "openvino", "threadpoolctl", "cloudpickle", "distributed"),
)
"""Whose versions must be those of this machine: they compute, write, or carry what is computed."""

_CONNECT_SECONDS = 10
_FIRST_WORKER_SECONDS = 60

_CODE = "speech/"


def _code_digest() -> str:
    folder = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


_LOADED = _code_digest()
"""When this module was loaded: on a worker that may be days ago, and its code another's."""


@cache
def environment() -> dict[str, str]:
    """Name what a result depends on beside its inputs: Python, libraries, and this package."""
    return {
        "Python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        _CODE: _LOADED,
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def call_on_cluster(
    function: Callable[[Any], Result], items: Sequence[Any], scheduler: str
) -> Iterator[Result]:
    """Call a function with every item, each on one thread of one worker of a Dask cluster.

    A worker that ends, or that the scheduler takes for hung, loses nothing: what it was at is done
    again by another.

    Parameters
    ----------
    function
        Must be picklable by cloudpickle, and do no harm if it is called again with the same item.
    items
        What to call it with.
    scheduler
        Its address, or the path of its scheduler file.

    Yields
    ------
    object
        The results, in the order of the items.

    Raises
    ------
    UserError
        If the scheduler cannot be reached or goes away, no worker comes, a worker is not like this
        machine, or one item ended several workers.
    """
    label = funcname(function).strip("_")
    with (
        closing(_connect(scheduler)) as client,
        tempfile.TemporaryDirectory(prefix=".cluster-", dir=Path.cwd()) as folder,
    ):
        shared = Path(folder) / label
        shared.write_bytes(cloudpickle.dumps(function))
        key = f"{label}-{token_hex(4)}"
        futures = [
            # As bytes, so that the scheduler needs none of the libraries, and arrays come back as
            # they would from a process of this machine: Dask's own are read-only.
            client.submit(
                _call, cloudpickle.dumps(item), str(shared), environment(), key=f"{key}-{number}"
            )
            for number, item in enumerate(items)
        ]
        while futures:
            yield cloudpickle.loads(_result(futures.pop(0), scheduler))


def _connect(scheduler: str) -> Client:
    """Return a client of a cluster that has a worker."""
    for logger in ("distributed", "distributed.client"):
        # What goes wrong becomes one sentence, to which the library would add its own lines.
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        address = scheduler
        if "://" not in scheduler:
            address = json.loads(Path(scheduler).read_text("utf-8"))["address"]
        # Refused, or no such host, within a moment; the library would try again for long.
        socket.create_connection(get_address_host_port(address), _CONNECT_SECONDS).close()
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = reason.splitlines()[0]
        raise UserError(
            f"compute.scheduler: no scheduler at {scheduler} ({reason}); start it and name its "
            "address, such as tcp://host:8786, or its scheduler file; or set this to null."
        ) from None
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
    except TimeoutError:
        client.close()
        raise UserError(
            f"compute.scheduler: {scheduler} has no workers; start some, and run again."
        ) from None
    return client


def _result(future: Future, scheduler: str) -> bytes:
    try:
        return future.result()
    except KilledWorker as error:
        raise UserError(
            f"compute.scheduler: {error.allowed_failures + 1} workers of {scheduler} ended one "
            f"after another while they were at {future.key}, most often for want of memory; give "
            "them more, and run again."
        ) from None
    except CancelledError:
        raise UserError(
            f"compute.scheduler: {scheduler} went away; start it anew, and run again to go on."
        ) from None
    except (ImportError, RuntimeError) as error:
        cause = error.__cause__ or error
        if not isinstance(cause, ImportError):
            raise
        raise UserError(
            f"compute.scheduler: {scheduler} cannot load what is sent there ({cause}); start "
            "scheduler and workers with the Python that runs this."
        ) from None


def _call(item: bytes, shared: str, theirs: Mapping[str, str]) -> bytes:
    """Work at one item, on a worker that would do what the machine that asks would."""
    file, worker = Path(shared), get_worker()
    if problem := _problem(worker, file, theirs):
        raise UserError(f"compute.scheduler: the worker {worker.address} {problem}.")
    with chdir(file.parents[1]):
        function, argument = cloudpickle.loads(file.read_bytes()), cloudpickle.loads(item)
        # Now that its libraries are loaded, and for good.
        threadpool_limits(1)
        return cloudpickle.dumps(function(argument))


def _problem(worker: Worker, shared: Path, theirs: Mapping[str, str]) -> str:
    """Say what makes a worker unlike this machine; nothing if it is like it."""
    ours = environment()
    for name in sorted(theirs.keys() - {_CODE}):
        if ours.get(name) != theirs[name]:
            return (
                f"has {name} {ours.get(name)}, this machine {theirs[name]}; install the same there"
            )
    if ours[_CODE] != theirs[_CODE]:
        return "has loaded another state of speech/ than this machine; restart the workers"
    if worker.state.nthreads != 1:
        # The working folder, and the threads of BLAS, belong to the whole process.
        return (
            f"has {worker.state.nthreads} threads, but should have one; start it with --nthreads 1"
        )
    if not os.access(shared.parent, os.R_OK | os.W_OK):
        return f"does not see {shared.parents[1]}; give it that folder under the same path"
    return ""
