"""Which trained model a command uses where none is named."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import torch

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.app import main
from oreo_agent.cli.common.checkpoints import SHIPPED, settle_checkpoint, source_of_games
from oreo_agent.config import resolve
from oreo_agent.episodes import read_episodes
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.training.config import config_type


@pytest.mark.parametrize(
    ("games", "folder"),
    [(None, "alfworld"), ("houses", "alfworld"), ("official", "alfworld-official")],
)
def test_the_official_games_have_an_agent_of_their_own(games: str | None, folder: str) -> None:
    settled = settle_checkpoint("alfworld", AgentSpec(), None, games)
    assert settled is not None
    assert settled.name == folder
    assert load_checkpoint(settled).value is not None


def test_a_checkpoint_that_is_named_is_used_for_whatever_games(tmp_path: Path) -> None:
    assert settle_checkpoint("alfworld", AgentSpec(), tmp_path, "official") == tmp_path


def test_the_one_that_ships_can_be_named() -> None:
    named = settle_checkpoint("alfworld", AgentSpec(), SHIPPED, "official")
    assert named == settle_checkpoint("alfworld", AgentSpec(), None, "official")


def test_what_is_played_with_the_agent_that_ships_can_train_it(tmp_path: Path) -> None:
    played, run = tmp_path / "played", tmp_path / "run"
    assert main(["play", "alfworld", "--plain", "--out", str(played)]) == 0
    (episode,) = read_episodes([played])
    assert episode.split == "train"
    sets = "oreo.steps=2 oreo.value_warmup=1 games.train=1 games.validation=0 games.valid_seen=1"
    settings = [word for s in (*sets.split(), "games.valid_unseen=1") for word in ("-s", s)]
    command = ["train", "alfworld", "--episodes", str(played), "--checkpoint", "shipped"]
    assert main([*command, *settings, "--method", "oreo", "--out", str(run), "--quiet"]) == 0
    shipped = settle_checkpoint("alfworld", AgentSpec(), None)
    assert shipped is not None
    ours, start = (
        load_checkpoint(c).policy.state_dict() for c in (shipped, run / "checkpoints/sft")
    )
    assert all(torch.equal(start[name], weight) for name, weight in ours.items())


def test_the_settings_of_a_run_say_which_games_it_plays() -> None:
    official = resolve(config_type("alfworld"), env={}, sets=["games.source=official"]).value
    assert source_of_games(official) == "official"
    assert source_of_games(config_type("math")()) == "generated"
    assert source_of_games(config_type("tests.envs.scripted_envs:Corridor")()) is None


def test_all_weights_that_ship_take_at_most_ten_megabytes() -> None:
    shipped = Path(str(files("oreo_agent.assets")))
    assert 0 < sum(file.stat().st_size for file in shipped.rglob("*.safetensors")) <= 10_000_000
