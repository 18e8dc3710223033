"""GSM8K's official solutions are graded right; with their results changed they are graded wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.envs.math import MathEnv
from oreo_agent.envs.math.judge_client import shared_judge


def _replay(data: Path, split: str, tasks: slice) -> tuple[int, list[str]]:
    """Return how many solutions were played, and what was not graded as it should be."""
    env = MathEnv(problems="gsm8k", data=data)
    played, mistakes = 0, []
    for task in env.tasks(split)[tasks]:
        *steps, last = env.solution(task)
        gold = last.removeprefix("#### ")
        played += 1
        if not _won(env, task, *steps, last):
            mistakes.append(task)
        mistakes += [
            f"{task} with {other} for {gold}"
            for other in _changed(gold)
            if _won(env, task, *steps, f"#### {other}")
        ]
    return played, mistakes


def _won(env: MathEnv, task: str, *steps: str) -> bool:
    env.reset(task)
    *_, result = [env.step(step) for step in steps]
    assert result.terminated, f"{task} did not end with its last step"
    return result.reward == 1.0


def _changed(gold: str) -> Iterator[str]:
    """Yield other results than the right one, near it and written as it is."""
    number = float(gold.replace(",", ""))
    whole = int(number) if number == int(number) else number
    yield from map(str, (whole + 1, whole * 10 or 10, -whole or 2, f"{gold}1"))


@pytest.mark.parametrize("split", ["train", "valid"])
def test_gsm8k_solutions_are_right_and_changed_ones_wrong(split: str, shared_dir: Path) -> None:
    data = shared_dir / "data" / "gsm8k-train.jsonl"
    assert _replay(data, split, slice(300)) == (300, [])


@pytest.mark.slow
def test_all_of_gsm8k_is_graded_as_it_should_be(shared_dir: Path) -> None:
    data = shared_dir / "data" / "gsm8k-train.jsonl"
    (train, missed), (valid, others) = (
        _replay(data, split, slice(None)) for split in ("train", "valid")
    )
    assert train + valid == 7473
    assert missed + others == []


@pytest.mark.slow
def test_math_verify_agrees_with_the_exact_comparison(shared_dir: Path) -> None:
    judge = shared_judge()
    text = (shared_dir / "data" / "gsm8k-train.jsonl").read_text(encoding="utf-8")
    for line in text.splitlines():
        gold = json.loads(line)["answer"].rpartition("#### ")[2]
        assert judge.same(gold, gold)
        assert not any(judge.same(gold, other) for other in _changed(gold))
