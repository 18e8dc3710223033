"""Every method in one run, round after round."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from oreo_agent.agents.language_model import load_agent
from oreo_agent.config import resolve
from oreo_agent.episodes import read_episodes
from oreo_agent.errors import ConfigError
from oreo_agent.learning.methods import METHODS
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.training.config import RoundsConfig, RunConfig, config_type
from oreo_agent.training.method_names import ResultName, result_title, round_name
from oreo_agent.training.report import comparisons, markdown
from oreo_agent.training.results import RunResults, load_results
from oreo_agent.training.run import train
from oreo_agent.training.stage_plan import build_stages, plan

LEARNERS = ["rejection", "dpo", "dpo-nll", "kto", "oreo", "oreo-step", "oreo-astar"]
SMALLER = ("games.valid_seen=1", "games.valid_unseen=1", "games.horizon=6", "oreo.steps=3")
"""What is measured here is how rounds follow each other, not success."""


def _config(settings: tuple[str, ...], *more: str) -> RunConfig:
    return resolve(config_type("alfworld"), env={}, sets=(*settings, *SMALLER, *more)).value


@pytest.fixture(scope="module")
def two_rounds(
    tiny_settings: tuple[str, ...],
    logged_episodes: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run of two rounds from logged episodes, the reference kept, all data used."""
    out = tmp_path_factory.mktemp("rounds") / "run"
    config = _config(tiny_settings, f"methods={','.join(LEARNERS)}", "rounds.count=2")
    train(config, out, episodes=logged_episodes)
    return out


@pytest.fixture(scope="module")
def moved_reference(
    tiny_settings: tuple[str, ...],
    logged_episodes: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same of OREO alone, the reference moved, the last round's data used."""
    out = tmp_path_factory.mktemp("rounds") / "moved"
    more = ("methods=oreo", "rounds.count=2", "rounds.reference=start", "rounds.data=last")
    train(_config(tiny_settings, *more), out, episodes=logged_episodes)
    return out


@pytest.fixture(scope="module")
def results(two_rounds: Path) -> RunResults:
    return load_results(two_rounds)


def _first_line(run: Path, stage: str) -> dict[str, float]:
    line = (run / "metrics" / f"{stage}.jsonl").read_bytes().splitlines()[0]
    found: dict[str, float] = json.loads(line)
    return found


def _counts(run: Path, stage: str) -> dict[str, int]:
    found: dict[str, int] = json.loads((run / "stages" / f"{stage}.json").read_text())["counts"]
    return found


def _weights(run: Path, name: str) -> torch.Tensor:
    policy = load_checkpoint(run / "checkpoints" / name).policy
    return torch.cat([parameter.detach().flatten() for parameter in policy.parameters()])


def test_every_method_is_measured_in_every_round_and_sft_once(results: RunResults) -> None:
    expected = ["sft", *LEARNERS, *(f"{name}-round2" for name in LEARNERS)]
    assert [method.method for method in results.methods] == expected


@pytest.mark.parametrize("method", LEARNERS)
def test_every_method_moves_in_every_round(method: str, two_rounds: Path) -> None:
    start, first = _weights(two_rounds, "sft"), _weights(two_rounds, method)
    assert not torch.equal(start, first)
    if method not in ("rejection", "dpo", "dpo-nll"):  # the second round may bring no success
        assert not torch.equal(first, _weights(two_rounds, f"{method}-round2"))


def test_oreo_plays_the_rollouts_of_the_second_round(two_rounds: Path) -> None:
    name = load_agent(two_rounds / "checkpoints" / "oreo").name
    episodes = list(read_episodes([two_rounds / "episodes" / "rollouts-round2"]))
    assert {episode.model for episode in episodes} == {name}


@pytest.mark.parametrize("method", LEARNERS)
def test_every_method_learns_from_the_same_data_of_all_rounds(
    method: str, two_rounds: Path
) -> None:
    played = len(list(read_episodes([two_rounds / "episodes" / "rollouts-round2"])))
    first = _counts(two_rounds, method)["episodes"]
    assert _counts(two_rounds, f"{method}-round2")["episodes"] == first + played
    assert played > 0


def test_earlier_data_are_left_out_where_wished(moved_reference: Path) -> None:
    played = len(list(read_episodes([moved_reference / "episodes" / "rollouts-round2"])))
    assert _counts(moved_reference, "oreo-round2")["episodes"] == played


def test_the_notes_say_how_far_each_policy_was_from_its_reference(results: RunResults) -> None:
    for title in ("OREO", "OREO, round 2", "KTO, round 2"):
        [note] = [note for note in results.notes if note.startswith(f"{title} ended at KL ")]
        assert "unseen mass" in note


def test_a_kept_reference_is_the_sft_policy(two_rounds: Path) -> None:
    assert _first_line(two_rounds, "oreo")["kl"] == pytest.approx(0, abs=1e-6)
    assert _first_line(two_rounds, "oreo-round2")["kl"] > 1e-6
    assert _first_line(two_rounds, "kto-round2")["kl"] > 1e-6


def test_a_moved_reference_is_the_policy_that_the_round_starts_from(moved_reference: Path) -> None:
    assert _first_line(moved_reference, "oreo-round2")["kl"] == pytest.approx(0, abs=1e-6)


def test_the_value_model_is_carried_over(two_rounds: Path) -> None:
    assert _first_line(two_rounds, "oreo")["value_lost"] == 0
    assert _first_line(two_rounds, "oreo-round2")["value_lost"] != 0


def test_oreo_goes_on_from_rejection_sampling_with_the_value_model_that_was_given(
    tiny_settings: tuple[str, ...],
    logged_episodes: tuple[Path, Path],
    two_rounds: Path,
    tmp_path: Path,
) -> None:
    more = ("methods=rejection,oreo", "oreo.start=rejection", "oreo.lr=1e-12")
    start = two_rounds / "checkpoints" / "oreo"
    train(
        _config(tiny_settings, *more), tmp_path / "run", episodes=logged_episodes, checkpoint=start
    )
    names = ("sft", "rejection", "oreo")
    sft, rejection, oreo = (_weights(tmp_path / "run", name) for name in names)
    assert (oreo - rejection).abs().max() < 1e-6 < (rejection - sft).abs().max()
    first = _first_line(tmp_path / "run", "oreo")
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert first["value_lost"] != 0


def test_rejection_sampling_stays_the_reference_of_later_rounds(
    tiny_settings: tuple[str, ...], logged_episodes: tuple[Path, Path], tmp_path: Path
) -> None:
    # Towards SFT, whose policy rejection sampling has left, there would be a divergence at once.
    more = ("methods=rejection,oreo", "oreo.start=rejection", "oreo.lr=1e-12", "rounds.count=2")
    train(_config(tiny_settings, *more), tmp_path / "run", episodes=logged_episodes)
    assert _first_line(tmp_path / "run", "oreo-round2")["kl"] == pytest.approx(0, abs=1e-6)


def test_going_on_from_rejection_sampling_needs_it(
    tiny_settings: tuple[str, ...], tmp_path: Path
) -> None:
    config = _config(tiny_settings, "methods=oreo", "oreo.start=rejection")
    with pytest.raises(ConfigError, match="rejection is not among the methods"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_report_has_a_row_a_method_and_round(two_rounds: Path, results: RunResults) -> None:
    report = (two_rounds / "report.md").read_text()
    assert "| SFT | - |" in report
    for method in LEARNERS:
        for number in (1, 2):
            assert f"| {result_title(method)} | {number} |" in report
    assert "round 2: " in report
    assert report == markdown([results], command=report.splitlines()[2].strip("`"))
    assert (two_rounds / "plots" / "rounds.png").read_bytes().startswith(b"\x89PNG")


def test_oreo_of_the_last_round_is_compared_with_all_others(results: RunResults) -> None:
    pairs = [(one.ours, one.theirs) for one in comparisons([results])]
    others = ["sft", "oreo", *(f"{name}-round2" for name in LEARNERS if name != "oreo")]
    assert {ours for ours, _ in pairs} == {"oreo-round2"}
    assert sorted(theirs for _, theirs in pairs) == sorted(others)


def test_rounds_need_oreo(tiny_settings: tuple[str, ...], tmp_path: Path) -> None:
    config = _config(tiny_settings, "methods=kto", "rounds.count=2")
    with pytest.raises(ConfigError, match="oreo is not among the methods"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("number", [1, 2, 13])
@pytest.mark.parametrize("mode", ["", "@T=1"])
def test_the_name_of_a_result_is_taken_apart_as_it_was_made(
    method: str, number: int, mode: str
) -> None:
    name = ResultName(round_name(method, number) + mode)
    assert (name.method, name.round, name.mode) == (method, number, mode)


def test_a_name_that_is_no_methods_stays_as_it_is() -> None:
    assert result_title("my-round2-model") == "my-round2-model"
    assert result_title("model-round2") == "model-round2"


def test_the_plan_names_methods_and_rounds() -> None:
    config = config_type("alfworld")(methods=("kto", "oreo"), rounds=RoundsConfig(count=3))
    stages = plan(config, logged=False, start=False)["stages"]
    assert list(stages) == [stage.name for stage in build_stages(config, logged=False, start=False)]
    assert stages["oreo-round3"] == stages["kto"] == "1200 updates of 16 episodes"
    assert stages["evaluate-kto-round2"] == "160 + 160 games"
    assert "rejection" not in stages


@pytest.mark.parametrize("method", ["ppo", "DPO"])
def test_an_unknown_method_is_refused_before_any_work(
    method: str, tiny_settings: tuple[str, ...], tmp_path: Path
) -> None:
    config = dataclasses.replace(_config(tiny_settings), methods=("sft", method))
    with pytest.raises(ConfigError, match=f"no method {method!r}"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
