"""Which games a run plays that starts from a checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from oreo_agent.config import resolve
from oreo_agent.episodes import read_episodes
from oreo_agent.learning.methods.kto import KTOSettings
from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.training.config import config_type
from oreo_agent.training.demonstrated import demonstrated_tasks
from oreo_agent.training.run import train


def test_what_was_demonstrated_to_a_checkpoint_is_known_in_its_run_alone(
    finished_run: Path, tmp_path: Path
) -> None:
    shown = {e.task for e in read_episodes([finished_run / "episodes" / "demonstrations"])}
    assert len(shown) == 6
    assert demonstrated_tasks(finished_run / "checkpoints" / "oreo") == frozenset(shown)
    shutil.copytree(finished_run / "checkpoints" / "sft", tmp_path / "elsewhere")
    assert demonstrated_tasks(tmp_path / "elsewhere") is None


def test_a_run_from_a_checkpoint_plays_games_that_were_not_demonstrated_to_it(
    finished_run: Path, tiny_settings: tuple[str, ...], tmp_path: Path
) -> None:
    start = finished_run / "checkpoints" / "sft"
    more = ("methods=rejection", "oreo.steps=2", "games.valid_seen=1", "games.valid_unseen=1")
    config = resolve(config_type("alfworld"), env={}, sets=(*tiny_settings, *more)).value
    train(config, tmp_path / "run", checkpoint=start)
    games = json.loads((tmp_path / "run" / "stages" / "games.json").read_text())
    played = {e.task for e in read_episodes([tmp_path / "run" / "episodes" / "rollouts"])}
    assert len(games["demonstrated"]) == 6
    assert played == set(games["train"]) - set(games["demonstrated"])
    # A run that starts from this one's checkpoint knows it too.
    inherited = demonstrated_tasks(tmp_path / "run" / "checkpoints" / "rejection")
    assert inherited == frozenset(games["demonstrated"])


def test_rates_fall_from_round_to_round() -> None:
    first = OREOSettings(lr=4e-4, value_lr=8e-4)
    assert first.in_round(1, 0.5) == first
    third = first.in_round(3, 0.5)
    assert (third.lr, third.value_lr) == (1e-4, 2e-4)
    assert third.beta == first.beta
    assert KTOSettings(lr=4e-4).in_round(2, 0.5).lr == 2e-4
