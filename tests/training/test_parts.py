"""Threads, the choice of episodes, and the plots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from oreo_agent.episodes.record import Episode, Outcome
from oreo_agent.evaluation import GameResult
from oreo_agent.training import cpu_count
from oreo_agent.training.cpu_count import available_cores, set_threads
from oreo_agent.training.episode_filters import hold_out
from oreo_agent.training.report import write_plots
from oreo_agent.training.results import MethodResult, RunResults


@pytest.fixture
def free_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three cores, nothing said about threads; torch is put back afterwards."""
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    monkeypatch.setattr(cpu_count, "_CPU_QUOTA", Path("nowhere"))
    monkeypatch.delenv("OMP_NUM_THREADS")
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("free_threads")
def test_zero_threads_are_the_cores_this_process_may_use() -> None:
    assert set_threads(0) == 3
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("free_threads")
def test_the_quota_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(cpu_count, "_CPU_QUOTA", quota)
    for text, number in (("150000 100000", 2), ("50000 100000", 1), ("max 100000", 3), ("", 3)):
        quota.write_text(text)
        assert available_cores() == number


@pytest.mark.usefixtures("free_threads")
def test_a_wish_of_the_environment_limits_threads_but_not_an_explicit_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set_threads(0) == 3
    assert torch.get_num_threads() == 1
    set_threads(2)
    assert torch.get_num_threads() == 2


def _episodes(count: int) -> list[Episode]:
    return [
        Episode(id=str(i), env="x", task="t", goal="g", outcome=Outcome.SUCCESS, turns=())
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "wanted", "held_out"), [(9, 60, 0), (10, 60, 1), (100, 60, 10), (1000, 20, 20)]
)
def test_at_most_a_tenth_of_logged_episodes_is_held_out(
    count: int, wanted: int, held_out: int
) -> None:
    episodes = _episodes(count)
    kept, checked = hold_out(episodes, wanted)
    assert len(checked) == held_out
    assert sorted([*kept, *checked], key=lambda e: int(e.id)) == episodes


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    assert hold_out(_episodes(30), 0) == (_episodes(30), [])


@pytest.mark.parametrize("won", [0, 12])
def test_success_of_none_and_of_all_can_be_drawn(won: int, tmp_path: Path) -> None:
    games = [
        GameResult(
            task=str(i),
            split="valid_seen",
            task_type="look",
            outcome=Outcome.SUCCESS if i < won else Outcome.HORIZON,
            turns=1,
            wrong_commands=0,
        )
        for i in range(12)
    ]
    run = RunResults(seed=0, source="x", methods=[MethodResult(method="oreo", games=games)])
    write_plots(run, tmp_path / "metrics", tmp_path)
    assert (tmp_path / "success.png").stat().st_size > 1000


@pytest.mark.parametrize("stages", [1, 4, 5, 14, 27])
def test_the_curves_of_many_methods_and_rounds_can_be_drawn(stages: int, tmp_path: Path) -> None:
    games = [
        GameResult(
            task="a",
            split="test",
            task_type="look",
            outcome=Outcome.SUCCESS,
            turns=1,
            wrong_commands=0,
        )
    ]
    run = RunResults(seed=0, source="x", methods=[MethodResult(method="oreo", games=games)])
    names = ("loss", "loss_policy", "loss_value", "kl", "log_ratio_won", "value_won")
    rows = b"".join(
        msgspec.json.encode({"step": step, **dict.fromkeys(names, 1.0 / step)}) + b"\n"
        for step in (1, 2)
    )
    (tmp_path / "metrics").mkdir()
    for number in range(stages):
        (tmp_path / "metrics" / f"oreo-response-round{number + 1}.jsonl").write_bytes(rows)
    write_plots(run, tmp_path / "metrics", tmp_path / "plots")  # a warning would be an error
    assert (tmp_path / "plots" / "training.png").stat().st_size > 10_000
