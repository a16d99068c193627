"""How work is spread never shows in its result."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from speech.errors import UserError
from speech.parallel import end_workers, spread

ROOT = Path(__file__).parents[1]
PREFERENCES = ["threads", "processes"]


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("jobs", [1, 2, -1])
@pytest.mark.parametrize("count", [6, 0])
def test_results_come_in_the_order_of_the_items_and_progress_sees_each(jobs, prefer, count):
    seen = []

    def slower_the_earlier(number):
        time.sleep(0.02 * (5 - number))
        return number**2

    def progress(items, total):
        seen.append(total)
        for item in items:
            seen.append(item)
            yield item

    squares = [number**2 for number in range(count)]
    assert spread(slower_the_earlier, range(count), jobs, progress, prefer=prefer) == squares
    assert seen == [count, *squares]


@pytest.mark.parametrize("prefer", PREFERENCES)
def test_two_jobs_work_where_they_prefer_to(prefer):
    def where(number):  # made on the spot, and still it reaches other processes
        return os.getpid(), threading.get_ident()

    processes, threads = zip(*spread(where, range(4), 2, prefer=prefer), strict=True)
    assert (os.getpid() in processes) == (prefer == "threads")
    assert threading.get_ident() not in threads or prefer == "processes"


def test_progress_is_shown_while_work_is_still_to_be_done():
    started = []

    def progress(items, total):
        for _ in items:
            yield len(started)

    def start(number):
        started.append(number)

    so_far = spread(start, range(20), 1, progress)
    assert so_far[0] < 20


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_users_mistake_in_a_worker_stays_a_users_mistake(jobs, prefer):
    def complain(number):
        if number == 3:
            raise UserError("3.flac: is bad; mend it.")
        return number

    with pytest.raises(UserError, match=r"^3\.flac: is bad; mend it\.$"):
        spread(complain, range(6), jobs, prefer=prefer)


def test_a_worker_that_the_system_ends_is_one_sentence():
    """As Linux does when memory runs out."""

    def end(number):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UserError, match=r"^compute\.jobs: the system ended a worker process, "):
        spread(end, range(4), 2)
    assert spread(abs, [-1, -2], 2) == [1, 2]


def test_ctrl_c_reaches_this_process_and_no_worker():
    """The terminal sends it to all of them; this one ends the others."""

    def blocked(_):
        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    end_workers()
    assert spread(blocked, range(4), 2) == [True] * 4
    assert not blocked(None)


WITHOUT_SEMAPHORES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from speech.parallel import spread
print(spread(abs, [-1, -2], 2))
"""


def test_where_no_process_can_be_had_threads_do():
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_SEMAPHORES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[1, 2]\n", "")
