"""A fault drill: processes killed and stopped and a game torn in the middle of 200 episodes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.random import RandomAgent
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.episodes.store import read_episodes
from oreo_agent.rollout import Job, collect, wave_path

COUNT = 200
WAVE = 4  # and as many processes: each plays one episode at a time
TORN = 110  # the job whose game is torn
KILLED, STOPPED = 91, 101  # the jobs whose processes are, each once, at this turn:
TURN = 3


class Saboteur(RandomAgent):
    """A random agent that does something to certain episodes, by id, at one turn, once each."""

    def __init__(self, deeds: Mapping[str, Callable[[], None]]) -> None:
        super().__init__()
        self.left = dict(deeds)

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        for request in requests:
            if len(request.history) == TURN - 1 and request.episode in self.left:
                self.left.pop(request.episode)()
        return super().act(requests)


def _workers() -> list[int]:
    found = [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in found if "oreo_agent.envs.worker.server" in child.cmdline()]


def _signal_worker(job: int, what: signal.Signals) -> Callable[[], None]:
    """Signal the process that plays a job: they are as many as the wave has slots."""
    return lambda: os.kill(_workers()[job % WAVE], what)


def _play(
    folder: Path,
    out: Path,
    jobs: Sequence[Job],
    agent: RandomAgent,
    *,
    processes: int,
    limit: float,
) -> list[Episode]:
    options = {"games": folder, "horizon": 8}
    with WorkerPool("alfworld", options, processes=processes, time_limit=limit) as pool:
        return collect(pool, agent, jobs, out, wave_size=WAVE)


@pytest.fixture
def jobs(house_folder: Path) -> list[Job]:
    with WorkerPool("alfworld", {"games": house_folder}, processes=1) as pool:
        *tasks, last = pool.tasks("train")
    torn = {TORN: last}
    return [
        Job(task=torn.get(n, tasks[n % len(tasks)]), split="train", seed=n) for n in range(COUNT)
    ]


def test_of_200_episodes_all_end_three_are_marked_and_none_is_lost(
    house_folder: Path, jobs: list[Job], tmp_path: Path
) -> None:
    calm = _play(house_folder, tmp_path / "calm", jobs, RandomAgent(), processes=1, limit=60)
    assert all(episode.outcome.is_scored for episode in calm)

    folder = tmp_path / "houses"
    shutil.copytree(house_folder, folder)
    torn = folder / jobs[TORN].task / "game.tw-pddl"
    torn.write_bytes(torn.read_bytes()[:1000])
    before = _workers()
    agent = Saboteur(
        {
            calm[KILLED].id: _signal_worker(KILLED, signal.SIGKILL),
            calm[STOPPED].id: _signal_worker(STOPPED, signal.SIGSTOP),
        }
    )
    played = _play(folder, tmp_path / "drill", jobs, agent, processes=WAVE, limit=8)
    assert _workers() == before
    assert not agent.left

    def told(episodes: Sequence[Episode]) -> list[object]:
        return [(e.id, e.task, e.seed, e.outcome, e.turns) for e in episodes]

    assert len(played) == COUNT
    assert told(played[:TORN] + played[TORN + 1 :]) == told(calm[:TORN] + calm[TORN + 1 :])

    kept = list(read_episodes([tmp_path / "drill"]))
    marked = [episode for episode in kept if episode.outcome is Outcome.ERROR]
    assert len(kept) == COUNT + 2  # the two that were played again
    assert [_cause(episode) for episode in marked] == ["killed", "stopped", "torn"]
    assert [episode.seed for episode in marked] == [KILLED, STOPPED, TORN]
    assert played[TORN] == marked[2]
    for episode in marked:
        with pytest.raises(ValueError, match="no return"):
            _ = episode.ret


def _cause(episode: Episode) -> str:
    words = {"SIGKILL": "killed", "took longer than 8 seconds": "stopped", "game.tw-pddl": "torn"}
    return next(name for word, name in words.items() if word in (episode.error or ""))


_COLLECTION = """
import sys
from pathlib import Path
from oreo_agent.agents.random import RandomAgent
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.rollout import Job, collect

folder, out, *tasks = sys.argv[1:]
jobs = [Job(task=task, split="train", seed=n) for n, task in enumerate(tasks)]
with WorkerPool("alfworld", {"games": folder, "horizon": 8}, processes=1) as pool:
    collect(pool, RandomAgent(), jobs, Path(out), wave_size=4)
"""


def test_a_collection_killed_in_a_wave_goes_on_to_the_same_episodes(
    house_folder: Path, jobs: list[Job], tmp_path: Path
) -> None:
    tasks = [job.task for job in jobs[:80]]
    due = [Job(task=task, split="train", seed=n) for n, task in enumerate(tasks)]
    command = [sys.executable, "-c", _COLLECTION, str(house_folder), str(tmp_path / "out"), *tasks]
    with subprocess.Popen(command) as killed:
        while not wave_path(tmp_path / "out", 1).exists():
            assert killed.poll() is None
            time.sleep(0.001)
        killed.kill()
    assert not wave_path(tmp_path / "out", 19).exists()
    unbroken = _play(house_folder, tmp_path / "all", due, RandomAgent(), processes=1, limit=60)
    resumed = _play(house_folder, tmp_path / "out", due, RandomAgent(), processes=1, limit=60)
    assert [(e.id, e.seed, e.outcome, e.turns) for e in resumed] == [
        (e.id, e.seed, e.outcome, e.turns) for e in unbroken
    ]


def test_a_torn_game_brings_the_workers_traceback_to_the_caller(
    house_folder: Path, jobs: list[Job], tmp_path: Path
) -> None:
    folder = tmp_path / "houses"
    shutil.copytree(house_folder, folder)
    (folder / jobs[TORN].task / "game.tw-pddl").write_bytes(b"{")
    with WorkerPool("alfworld", {"games": folder}, processes=1) as pool:
        fault = pool.reset({0: (jobs[TORN].task, 0)})[0]
    assert isinstance(fault, EnvFault)
    assert "Traceback" in fault.traceback
    assert "load_game" in fault.error().__notes__[0]
