"""The page on writing an environment does what it says: its blocks are run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from oreo_agent.episodes import read_episodes
from oreo_agent.episodes.record import Actor, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "write-your-own-environment.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
MODULE = "tw_games.py"
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """Return the page's code blocks in a language."""
    found = BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    return [block["text"] for block in found if block["language"] == language]


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder, where Python finds its modules too, and return what it says."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((str(BIN), os.environ["PATH"])),
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "error",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def scripts() -> list[str]:
    """Return the page's shell scripts that have a name; the others are commands."""
    return [text for text in blocks("sh") if text.startswith("# ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, and the games that its commands make."""
    folder = tmp_path_factory.mktemp("own")
    for text in (*blocks("python"), *blocks("toml"), *scripts()):
        name = text.partition("\n")[0].removeprefix("# ")
        (folder / name).write_text(text, encoding="utf-8")
    for text in set(blocks("sh")) - set(scripts()):
        # tw-make is not ours, and what it warns of is not either.
        run(["env", "PYTHONWARNINGS=default", "sh", "-ec", text], folder)
    return folder


def test_the_environment_takes_fewer_than_60_lines(folder: Path) -> None:
    assert len((folder / MODULE).read_text(encoding="utf-8").splitlines()) < 60


def test_the_environment_keeps_the_contract(folder: Path) -> None:
    run([sys.executable, "check.py"], folder)


def test_the_random_agent_plays_it_in_a_worker_and_the_episodes_can_be_read(folder: Path) -> None:
    said = run([sys.executable, "play.py"], folder)
    episodes = list(read_episodes([folder / "episodes"]))
    assert said.strip() == str([episode.outcome.value for episode in episodes])
    assert [episode.task for episode in episodes] == ["train/seed-1"] * 8
    assert {episode.outcome for episode in episodes} <= {Outcome.SUCCESS, Outcome.HORIZON}
    assert {turn.executed.actor for e in episodes for turn in e.turns} == {Actor.RANDOM}
    assert {episode.env for episode in episodes} == {"tw-games"}
    # What was won was rewarded with 1, once, at its end.
    for episode in episodes:
        won = float(episode.outcome is Outcome.SUCCESS)
        assert [turn.reward for turn in episode.turns][-1] == won
        assert sum(turn.reward for turn in episode.turns) == won


@pytest.mark.slow
def test_it_is_trained_on_what_was_collected_and_measured(folder: Path) -> None:
    run(["sh", "-e", "train.sh"], folder)
    results = json.loads((folder / "run" / "results.json").read_text(encoding="utf-8"))
    assert [method["method"] for method in results["methods"]] == ["sft", "rejection", "oreo"]
    for method in results["methods"]:
        assert [game["task"] for game in method["games"]] == ["test/seed-2"]


def test_its_plugin_says_more_of_it(folder: Path) -> None:
    code = (
        "from oreo_agent.envs.registry import plugin_of\n"
        "from oreo_agent.models.prompt_text import PromptText\n"
        "from oreo_agent.training.config import preset_config\n"
        "name = 'tw_plugin:TextWorldPlugin'\n"
        "plugin, config = plugin_of(name), preset_config(name, 'smoke')\n"
        "env = plugin.make()\n"
        "first = PromptText(plugin.prompt_cuts).observation(env.reset('train/seed-1').text)\n"
        "env.close()\n"
        "print(first.startswith('-= '), config.sft.steps, config.demonstrations.noise)\n"
        "print(plugin.expert({}).begin('').act(['look']), sorted(config.plan().held_out))\n"
    )
    said = run([sys.executable, "-c", code], folder)
    assert said.splitlines() == ["True 5 0.2", "look ['test']"]


def test_its_expert_names_an_action_that_was_not_tried(folder: Path) -> None:
    call = "WithExpert.expert('', [], ['look'], ('look', 'go north'), {})"
    said = run([sys.executable, "-c", f"from tw_expert import *; print({call})"], folder)
    assert said.strip() == "go north"


def test_it_is_one_of_gymnasiums(folder: Path) -> None:
    run([sys.executable, "with_gymnasium.py"], folder)


def test_the_package_names_what_the_module_has(folder: Path) -> None:
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    named = settings["project"]["entry-points"]["oreo_agent.envs"]
    assert named == {"tw-games": "tw_games:TextWorldGames"}
    assert settings["tool"]["setuptools"]["py-modules"] == [Path(MODULE).stem]
    assert "class TextWorldGames:" in (folder / MODULE).read_text(encoding="utf-8")
