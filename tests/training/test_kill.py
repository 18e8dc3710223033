"""``kill -9`` in any stage, then ``--resume``: the run ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from oreo_agent.config import resolve
from oreo_agent.training.config import config_type
from oreo_agent.training.run import train

Command = Callable[[Path], list[str]]

PATIENCE = 120.0
SLOWER = ("sft.steps=24", "oreo.steps=24", "rollouts.wave=4", "rollouts.per_game=2")
"""So that every stage lasts long enough to be hit in its middle."""
STAGES = {
    "games": "config.json",
    "demonstrations": "episodes/demonstrations/*.jsonl",
    "validation": "episodes/validation",
    "sft": "training/sft/*/policy",
    "sft-saved": "checkpoints/.sft*",
    "rollouts": "episodes/rollouts/*.jsonl",
}
"""What the stage first leaves in the run folder."""
STAGES_BEHIND_LOGS = {
    "rejection": "training/rejection/*/policy",
    "oreo": "training/oreo/*",
    "oreo-later": "training/oreo/checkpoint-1?",
    "evaluate-sft": "episodes/evaluate-sft",
    "evaluate-oreo": "episodes/evaluate-oreo/*.jsonl",
    "report": "results.json",
}


def _command(settings: Sequence[str], episodes: Sequence[Path] = ()) -> Command:
    def command(out: Path) -> list[str]:
        flags = [flag for setting in settings for flag in ("-s", setting)]
        files = [flag for path in episodes for flag in ("--episodes", str(path))]
        head = [sys.executable, "-m", "oreo_agent", "train", "alfworld"]
        return [*head, "--out", str(out), "--quiet", *flags, *files]

    return command


def _finish(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _kill_when(arguments: list[str], out: Path, sign: str, delay: float) -> bool:
    """Start a run and kill it soon after a file appears; False where it ended before."""
    deadline = time.monotonic() + PATIENCE
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            while not any(out.glob(sign)) and run.poll() is None:
                assert time.monotonic() < deadline, f"{sign} never appeared"
                time.sleep(0.002)
            time.sleep(delay)  # the moment is the seed's choice, not a wait for something
            return run.poll() is None
        finally:
            run.kill()


def _outcome(out: Path) -> dict[str, object]:
    """Return what an unbroken and a resumed run must share."""
    results = json.loads((out / "results.json").read_text())
    results.pop("seconds")
    files = [*out.glob("metrics/*.jsonl"), *out.glob("checkpoints/**/*.safetensors")]
    contents = {str(path.relative_to(out)): path.read_bytes() for path in files}
    return {"results": results, **contents}


def _check(command: Command, unbroken: Path, out: Path, stage: str, sign: str) -> None:
    delay = random.Random(stage).uniform(0.0, 0.15)
    killed = _kill_when(command(out), out, sign, delay)
    if stage != "report":
        assert killed, "the run ended before it was killed"
    _finish([*command(out), "--resume"])
    found, expected = _outcome(out), _outcome(unbroken)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    assert [path.name for path in out.rglob(".*")] == [".lock"]


@pytest.fixture(scope="module")
def from_scratch(tiny_settings: tuple[str, ...]) -> Command:
    return _command([*tiny_settings, *SLOWER])


@pytest.fixture(scope="module")
def from_logs(tiny_settings: tuple[str, ...], logged_episodes: tuple[Path, Path]) -> Command:
    return _command([*tiny_settings, *SLOWER], logged_episodes)


@pytest.fixture(scope="module")
def unbroken(from_scratch: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    _finish(from_scratch(out))
    return out


@pytest.fixture(scope="module")
def unbroken_from_logs(from_logs: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken-logs") / "run"
    _finish(from_logs(out))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_run_killed_in_a_stage_ends_as_an_unbroken_one(
    stage: str, from_scratch: Command, unbroken: Path, tmp_path: Path
) -> None:
    _check(from_scratch, unbroken, tmp_path / "run", stage, STAGES[stage])


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES_BEHIND_LOGS))
def test_a_run_from_logs_killed_in_a_stage_ends_as_an_unbroken_one(
    stage: str, from_logs: Command, unbroken_from_logs: Path, tmp_path: Path
) -> None:
    sign = STAGES_BEHIND_LOGS[stage]
    _check(from_logs, unbroken_from_logs, tmp_path / "run", stage, sign)


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_an_unbroken_one(
    from_logs: Command, unbroken_from_logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    moments = random.Random(3)
    for sign in ("training/sft/*", "training/rejection/*", "training/oreo/*", "stages/oreo.json"):
        _kill_when([*from_logs(out), "--resume"], out, sign, moments.uniform(0.0, 0.1))
    _finish([*from_logs(out), "--resume"])
    assert _outcome(out) == _outcome(unbroken_from_logs)


def test_a_run_killed_while_oreo_learns_ends_as_an_unbroken_one(
    tiny_settings: tuple[str, ...], logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = [*tiny_settings, "oreo.steps=16"]
    out, unbroken = tmp_path / "run", tmp_path / "unbroken"
    command = _command(settings, logged_episodes)
    assert _kill_when(command(out), out, "training/oreo/checkpoint-4", 0.02)
    shutil.copytree(out, unbroken)
    # What OREO had done is forgotten in one copy: there it learns without a break.
    shutil.rmtree(unbroken / "training/oreo")
    config = resolve(config_type("alfworld"), env={}, sets=settings).value
    for folder in (out, unbroken):
        train(config, folder, episodes=logged_episodes, resume=True)
    assert _outcome(out) == _outcome(unbroken)


def test_a_run_killed_in_its_second_round_ends_as_an_unbroken_one(
    tiny_settings: tuple[str, ...], logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    few = ("games.valid_seen=1", "games.valid_unseen=1", "games.horizon=6", "oreo.steps=16")
    settings = [*tiny_settings, *few, "methods=oreo", "rounds.count=2"]
    out, unbroken = tmp_path / "run", tmp_path / "unbroken"
    command = _command(settings, logged_episodes)
    assert _kill_when(command(out), out, "training/oreo-round2/checkpoint-4", 0.02)
    shutil.copytree(out, unbroken)
    # One copy forgets the whole second round: there it goes through without a break.
    for stage in ("rollouts-round2", "oreo-round2"):
        for place in ("training", "episodes", "metrics"):
            shutil.rmtree(unbroken / place / stage, ignore_errors=True)
        (unbroken / "stages" / f"{stage}.json").unlink(missing_ok=True)
    config = resolve(config_type("alfworld"), env={}, sets=settings).value
    for folder in (out, unbroken):
        train(config, folder, episodes=logged_episodes, resume=True)
    assert _outcome(out) == _outcome(unbroken)
