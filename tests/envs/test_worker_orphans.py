"""However a pool's process ends, none of its workers outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

_PARENT = """
import sys
import threading
import psutil
from oreo_agent.envs.worker.pool import WorkerPool

def play():
    with WorkerPool("tests.envs.scripted_envs:Corridor", processes=2) as pool:
        pool.reset({0: ("a", 0), 1: ("a", 0)})
        print(*(worker.pid for worker in psutil.Process().children()), flush=True)
        pool.step({0: sys.argv[1], 1: sys.argv[2]})

if len(sys.argv) > 3:
    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
else:
    play()
"""

Parent = tuple["subprocess.Popen[str]", list[psutil.Process]]


@pytest.fixture
def start() -> Iterator[Callable[..., Parent]]:
    """Start another process with a pool, whose two workers do what is said."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parents: list[subprocess.Popen[str]] = []

    def start(*actions: str) -> Parent:
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, *actions],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        parents.append(parent)
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        return parent, workers

    yield start
    for parent in parents:
        parent.kill()
        parent.communicate()


def _all_gone(workers: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 20
    while any(map(_is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(_is_alive, workers))


def _is_alive(worker: psutil.Process) -> bool:
    try:
        return bool(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_no_worker_outlives_a_killed_parent(start: Callable[..., Parent], how: int) -> None:
    parent, workers = start("hang", "forth")
    parent.send_signal(how)
    assert _all_gone(workers)


def test_a_stopped_worker_does_not_outlive_a_killed_parent(start: Callable[..., Parent]) -> None:
    parent, workers = start("hang", "hang")
    for worker in workers:
        worker.suspend()
    parent.kill()
    assert _all_gone(workers)


def test_a_worker_that_never_lets_go_of_its_lock_does_not_outlive_a_killed_parent(
    start: Callable[..., Parent],
) -> None:
    parent, workers = start("hog", "hog")
    time.sleep(0.1)  # into the hogging
    parent.kill()
    assert _all_gone(workers)


def test_a_pool_of_a_thread_leaves_no_worker_either(start: Callable[..., Parent]) -> None:
    parent, workers = start("hang", "forth", "in a thread")
    parent.kill()
    assert _all_gone(workers)


def test_ctrl_c_ends_the_workers_and_prints_no_traceback_of_theirs(
    start: Callable[..., Parent],
) -> None:
    parent, workers = start("hang", "forth")
    for worker in workers:
        worker.send_signal(signal.SIGINT)
    parent.send_signal(signal.SIGINT)
    _, errors = parent.communicate(timeout=30)
    assert errors.count("Traceback") == 1, errors
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not any(map(_is_alive, workers))


def test_an_impatient_ctrl_c_ctrl_c_leaves_no_stopped_worker(start: Callable[..., Parent]) -> None:
    parent, workers = start("hang", "hang")
    for worker in workers:
        worker.suspend()
    parent.send_signal(signal.SIGINT)
    time.sleep(0.3)  # into the wait for the workers' end
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=30)
    assert _all_gone(workers)
