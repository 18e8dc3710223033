"""An environment of somebody else's package, from collecting through training to measuring."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from oreo_agent.agents.expert import ExpertAgent
from oreo_agent.agents.random import RandomAgent
from oreo_agent.cli import main
from oreo_agent.cli.common.screen_services import ServiceOptions
from oreo_agent.episodes import read_episodes
from oreo_agent.episodes.record import Actor
from oreo_agent.monitoring.run_manifest import read_manifest
from tests.package_site import install

MODULE = '''
"""Doors, one of which leads out; the goal says which."""

from oreo_agent.envs import EnvError, EnvSpec, EpisodeOverError, Observation, StepResult
from oreo_agent.errors import UsageError

ALL = ("red", "green", "blue", "black")


class Alone:
    splits = ("train", "test", "hard")

    def __init__(self, doors=3, horizon=4):
        self.doors = ALL[:doors]
        self.spec = EnvSpec(id="doors", splits=self.splits, horizon=horizon, action_help="red")
        self.left = 0

    def tasks(self, split):
        if split not in self.splits:
            raise UsageError(f"there is no split {split!r}.", "")
        return [f"{split}/{door}" for door in self.doors]

    def task_info(self, task):
        return {"type": "door"}

    def reset(self, task=None, *, seed=None):
        task = task or self.tasks(self.splits[0])[(seed or 0) % 2]
        self.split, _, self.door = task.partition("/")
        if self.door not in self.doors:
            raise EnvError(f"no door {task!r}.", "")
        self.left = self.spec.horizon
        return self.seen("Some doors.")

    def step(self, action):
        if not self.left:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        won = action == self.door
        self.left = 0 if won else self.left - 1
        return StepResult(observation=self.seen("Out." if won else "A wall."), reward=float(won),
                          terminated=won, truncated=not won and not self.left, info={"won": won})

    def seen(self, text):
        return Observation(text=text, goal=f"leave by {self.door}", admissible=self.doors)

    def close(self):
        self.left = 0


class Doors(Alone):
    @staticmethod
    def expert(goal, seen, done, admissible, options):
        assert len(seen) == len(done) + 1
        assert options.get("doors", 3) == len(admissible)
        return goal.rpartition(" ")[2]


class Elsewhere(Alone):
    splits = ("doors",)
'''

TINY = [
    *("-s", "model.preset=nano", "-s", "sft.steps=6", "-s", "sft.batch=4"),
    *("-s", "oreo.steps=4", "-s", "oreo.batch=4", "-s", "oreo.value_warmup=1"),
    *("-s", "rollouts.wave=12", "-s", "workers=1", "--threads", "1"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed by pip."""
    return install(
        tmp_path_factory.mktemp("package"),
        "Tiny-Doors",
        "1.2",
        environments={
            "doors": "tiny_doors:Doors",
            "doors-alone": "tiny_doors:Alone",
            "doors-elsewhere": "tiny_doors:Elsewhere",
        },
        modules={"tiny_doors": MODULE},
    )


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command said."""

    code: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """Run a command of the program in this process, which finds the package; workers do too."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module", autouse=True)
def elsewhere(site: Path) -> Iterator[None]:
    """The working folder is beside the package, which can be found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.chdir(site.parent)
        yield


@pytest.fixture(scope="module")
def logged(site: Path, elsewhere: None) -> Path:
    """Episodes of the random agent, played by ``collect``."""
    out = site.parent / "logged"
    options = ("--agent", "random", "--count", 24, "-s", "env.doors=2", "-s", "workers=1")
    done = run("collect", "doors", *options, "--out", out, "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["episodes"] == 24
    return out


@pytest.fixture(scope="module")
def trained(site: Path, logged: Path) -> Path:
    """A run that learnt from these episodes alone."""
    out = site.parent / "run"
    options = ("--preset", "smoke", "-s", "env.doors=2", *TINY, "--out", out, "--quiet")
    done = run("train", "doors-alone", "--episodes", logged / "episodes", *options)
    assert done.code == 0, done.stderr
    return out


def test_the_random_agent_plays_its_training_tasks(logged: Path) -> None:
    episodes = list(read_episodes([logged / "episodes"]))
    assert {episode.task for episode in episodes} == {"train/red", "train/green"}
    assert {(episode.env, episode.split) for episode in episodes} == {("doors", "train")}
    assert all(episode.versions["Tiny-Doors"] == "1.2" for episode in episodes)
    assert {turn.executed.actor for e in episodes for turn in e.turns} == {Actor.RANDOM}


def test_it_is_trained_on_logged_episodes_and_measured_on_its_other_splits(trained: Path) -> None:
    results = json.loads((trained / "results.json").read_text())
    for method in results["methods"]:
        games = {(game["split"], game["task"]) for game in method["games"]}
        splits = ("test", "hard")
        assert games == {(s, f"{s}/{door}") for s in splits for door in ("red", "green")}
    assert results["source"] == "doors-alone, doors 2"
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {
        *("sft", "rejection", "oreo")
    }


def test_eval_measures_the_trained_model_on_the_first_split_that_was_held_out(
    trained: Path,
) -> None:
    model = trained / "checkpoints" / "oreo"
    done = run("eval", "doors", "--checkpoint", model, "-s", "workers=1", "--json")
    assert done.code == 0, done.stderr
    (splits,) = json.loads(done.stdout)["methods"].values()
    assert splits["test"]["all"]["games"] == 3
    assert "hard" not in splits


def test_its_run_is_resumed_and_started_over(
    site: Path, logged: Path, trained: Path, tmp_path: Path
) -> None:
    before = (trained / "results.json").read_bytes()
    options = ("--preset", "smoke", "-s", "env.doors=2", *TINY, "--quiet")
    command = ("train", "doors-alone", "--episodes", logged / "episodes", *options)
    done = run(*command, "--out", trained, "--resume")
    assert done.code == 0, done.stderr
    assert (trained / "results.json").read_bytes() == before
    again = tmp_path / "again"
    shutil.copytree(trained, again)
    (again / "results.json").unlink()
    done = run(*command, "--out", again, "--force")
    assert done.code == 0, done.stderr
    assert (again / "results.json").exists()


def test_a_second_collection_goes_on_in_its_folder(logged: Path) -> None:
    before = sorted(path.read_bytes() for path in (logged / "episodes").iterdir())
    options = ("--agent", "random", "--count", 24, "-s", "env.doors=2", "-s", "workers=1")
    done = run("collect", "doors", *options, "--out", logged)
    assert done.code == 0, done.stderr
    assert sorted(path.read_bytes() for path in (logged / "episodes").iterdir()) == before
    done = run("collect", "doors", *options, "--seed", 5, "--out", logged)
    assert "seed was 0, now 5" in done.stderr


def test_who_watches_its_run_sees_its_name(trained: Path) -> None:
    manifest = read_manifest(trained / "config.json")
    assert manifest is not None
    assert manifest.about() == "doors-alone · seed 0 · rejection, oreo"


def test_play_asks_its_own_expert_also_where_a_model_is_wanted_and_none_ships(
    tmp_path: Path,
) -> None:
    for arguments in (("--agent", "expert"), ()):
        done = run("play", "doors", *arguments, "--plain", "--out", tmp_path / "saved")
        assert done.code == 0, done.stderr
        said = "note: no trained model ships for doors: its expert plays."
        assert (said in done.stderr) == (not arguments)
    episodes = list(read_episodes([tmp_path / "saved"]))
    assert {turn.executed.actor for e in episodes for turn in e.turns} == {Actor.EXPERT}
    assert [(e.outcome.value, len(e.turns)) for e in episodes] == [("success", 1)] * 2


def test_its_episodes_are_corrected_with_its_own_expert_or_without_one(
    logged: Path, tmp_path: Path
) -> None:
    episode = next(e for e in read_episodes([logged / "episodes"]) if len(e.turns) > 1)
    session = ServiceOptions(threads=1).open_record(episode, tmp_path, lambda text: None)
    try:
        assert isinstance(session._agent, ExpertAgent)
        session.resume(episode, 1)
        assert session.step().episode.turns[-1].executed.action == episode.goal.split()[-1]
        assert session.state.episode.versions.keys() >= {"Tiny-Doors"}
        assert "alfworld" not in session.state.episode.versions
    finally:
        session.close()
    alone = msgspec.structs.replace(episode, env="doors-alone")
    session = ServiceOptions(threads=1).open_record(alone, tmp_path, lambda text: None)
    try:
        assert isinstance(session._agent, RandomAgent)
    finally:
        session.close()


def test_the_expert_that_it_offers_wins_what_it_plays_and_can_be_distracted(
    tmp_path: Path,
) -> None:
    options = ("--agent", "expert", "-s", "workers=1", "-s", "tasks.train=2")
    done = run("eval", "doors", *options, "--split", "hard", "--min-success", 1)
    assert done.code == 0, done.stderr
    more = ("--noise", 0.5, "--count", 20, "--out", tmp_path / "noisy")
    done = run("collect", "doors", *options, *more)
    assert done.code == 0, done.stderr
    episodes = list(read_episodes([tmp_path / "noisy" / "episodes"]))
    assert len({episode.task for episode in episodes}) == 2
    actors = {turn.executed.actor for e in episodes for turn in e.turns}
    assert actors == {Actor.EXPERT, Actor.RANDOM}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "doors-alone"), "offers no expert"),
        (("train", "doors-elsewhere", "--episodes", "logged"), "has no split 'train'"),
        (("train", "doors", "-s", "env.colour=red"), "has no option 'colour'"),
        (("train", "doors", "-s", "tasks.held_out=easy"), "tasks.held_out names 'easy'"),
        (("train", "doors", "-s", "games.train=3"), "unknown key 'games.train'"),
        (("eval", "doors"), "no trained model ships for doors"),
        (("collect", "doors", "--out", "x", "--dialect", "put"), "doors has no --dialect put"),
        (("collect", "door", "--out", "x"), "no environment is called 'door'"),
    ],
)
def test_what_cannot_be_done_is_one_line_before_any_work(
    site: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.code in (1, 2, 3, 4), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (site.parent / "runs").exists()
