"""Environments of packages that other people write, built and installed by pip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError, check_env, make, registered
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes import read_episodes
from oreo_agent.errors import UsageError
from tests.package_site import install

MODULE = '''
"""Two doors, one of which leads out."""

from oreo_agent.envs import EnvError, EnvSpec, EpisodeOverError, Observation, StepResult
from oreo_agent.episodes import read_episodes
from oreo_agent.errors import UsageError

DOORS = ("left", "right")


class Hall:
    def __init__(self, horizon=3):
        self.spec = EnvSpec(id="hall", splits=("doors",), horizon=horizon, action_help="left")
        self.left = 0

    def tasks(self, split):
        if split != "doors":
            raise UsageError(f"there is no split {split!r}.")
        return DOORS

    def task_info(self, task):
        return {"type": "door"}

    def reset(self, task=None, *, seed=None):
        self.door, self.left = task or DOORS[(seed or 0) % 2], self.spec.horizon
        if self.door not in DOORS:
            raise EnvError(f"no door {task!r}.")
        return Observation(text="Two doors.", goal=f"leave, {self.door}", admissible=DOORS)

    def step(self, action):
        if not self.left:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        won = action == self.door
        self.left = 0 if won else self.left - 1
        text = "You are out." if won else "A wall." if action in DOORS else "Pardon?"
        seen = Observation(text=text, goal=f"leave, {self.door}", admissible=DOORS)
        return StepResult(observation=seen, reward=float(won), terminated=won,
                          truncated=not won and not self.left, info={"won": won})

    def close(self):
        self.left = 0
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed: one environment that works and four that do not."""
    return install(
        tmp_path_factory.mktemp("package"),
        "Tiny-Hall",
        "1",
        environments={
            "hall": "tiny_hall:Hall",
            "hall-unfinished": "tiny_hall_unfinished:Hall",
            "hall-elsewhere": "tiny_hall_elsewhere:Hall",
            "hall-renamed": "tiny_hall:Halle",
            "hall-constant": "tiny_hall:DOORS",
        },
        modules={
            "tiny_hall": MODULE,
            "tiny_hall_unfinished": 'raise RuntimeError("still to be written")\n',
        },
    )


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package can be found by this process and by those that it starts."""
    monkeypatch.syspath_prepend(str(site))


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python elsewhere, where only the package's folder is added to its path."""
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_made_by_its_name_and_keeps_the_contract(installed: None) -> None:
    env = make("hall", horizon=5)
    assert env.spec.horizon == 5
    check_env(env)


def test_a_worker_process_finds_it(installed: None) -> None:
    check_env(make("hall", worker=True))


def test_a_pool_of_workers_plays_it(installed: None) -> None:
    with WorkerPool("hall", {"horizon": 2}, processes=1) as pool:
        assert pool.spec.horizon == 2
        assert pool.tasks("doors") == ("left", "right")
        pool.reset({0: ("left", 0), 1: ("right", 0)})
        results = pool.step({0: "left", 1: "left"})
    assert [getattr(results[slot], "terminated", None) for slot in (0, 1)] == [True, False]


def test_all_its_names_are_listed_beside_ours(installed: None) -> None:
    assert {"alfworld", "hall", "hall-unfinished"} <= set(registered())


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("hall-unfinished", "RuntimeError: still to be written"),
        ("hall-elsewhere", "ModuleNotFoundError: No module named 'tiny_hall_elsewhere'"),
        ("hall-renamed", "AttributeError: module 'tiny_hall' has no attribute 'Halle'"),
        ("hall-constant", "is no class or function"),
    ],
)
@pytest.mark.parametrize("worker", [False, True])
def test_a_broken_one_is_one_line_that_names_the_package_and_the_cause(
    installed: None, name: str, cause: str, worker: bool
) -> None:
    with pytest.raises(EnvError) as caught:
        make(name, worker=worker)
    assert f"environment {name!r} of package Tiny-Hall" in caught.value.what
    assert cause in caught.value.what
    assert "\n" not in str(caught.value)
    assert make("hall").tasks("doors") == ("left", "right")


def test_two_packages_of_the_same_name_are_told_apart(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "other_hall-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: other-hall\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[oreo_agent.envs]\nhall = other_hall:Hall\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvError, match="is also offered by") as caught:
        make("hall")
    assert "tiny_hall:Hall" in caught.value.what
    assert "other_hall:Hall" in caught.value.what
    assert make("tiny_hall:Hall").spec.id == "hall"


def test_a_misspelt_name_is_corrected(installed: None) -> None:
    with pytest.raises(UsageError, match="Did you mean 'hall'"):
        make("hal")


def test_the_play_command_plays_and_saves_it(site: Path, tmp_path: Path) -> None:
    command = ("-m", "oreo_agent", "play", "hall", "--agent", "random", "--plain")
    played = run(site, *command, "--out", str(tmp_path / "saved"))
    assert played.returncode == 0, played.stderr
    assert played.stdout.startswith("goal: leave, ")
    (episode,) = read_episodes([tmp_path / "saved"])
    assert (episode.env, episode.split) == ("hall", "doors")


def test_the_play_command_says_in_one_line_what_is_broken(site: Path) -> None:
    command = ("-m", "oreo_agent", "play", "hall-unfinished", "--agent", "random", "--plain")
    played = run(site, *command)
    assert played.returncode == 1
    assert "RuntimeError: still to be written" in played.stderr
    assert "Traceback" not in played.stderr
    assert played.stdout == ""


def test_games_of_alfworld_cannot_be_chosen_for_it(site: Path) -> None:
    command = ("-m", "oreo_agent", "play", "hall", "--agent", "random", "--games", "houses")
    played = run(site, *command)
    assert played.returncode == 2
    assert "not of 'hall'" in played.stderr
