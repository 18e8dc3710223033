r"""Replay GSM8K's official solutions as episodes, and again with their results changed.

    python benchmarks/gsm8k_replay.py gsm8k-train.jsonl [--judge]

Each solution is played step by step: it must be graded right. Then its result is changed in four
ways (one more, ten times as much, its opposite, one digit more) and the last step is played
again: it must be graded wrong each time. With ``--judge`` the results are also compared by
math-verify alone, without the exact comparison of numbers that usually answers first.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.envs.math import MathEnv
from oreo_agent.envs.math.datasets import PublishedProblems
from oreo_agent.envs.math.judge_client import shared_judge
from oreo_agent.errors import MissingError


@dataclass
class Report:
    """What a replay of a whole set brought."""

    problems: int = 0
    right: int = 0
    changed: int = 0
    changed_wrong: int = 0
    judge_disagrees: int = 0
    missed: list[str] = field(default_factory=list)
    """Ids of what was not graded as it should be."""
    seconds: float = 0.0
    """Of processor time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="GSM8K's JSON lines, or a folder of them")
    parser.add_argument("--judge", action="store_true", help="ask math-verify about every result")
    parser.add_argument("--limit", type=int, help="only the first problems of each split")
    arguments = parser.parse_args()
    report = replay(arguments.data, limit=arguments.limit, ask_judge=arguments.judge)
    print(json.dumps(vars(report), indent=2))
    if report.right < 0.999 * report.problems or report.changed_wrong < report.changed:
        raise SystemExit(5)


def replay(data: Path, *, limit: int | None = None, ask_judge: bool = False) -> Report:
    """Replay every problem found.

    Args:
        data: GSM8K's JSON lines, or a folder of them.
        limit: Only the first problems of each split.
        ask_judge: Also compare the results by math-verify alone.
    """
    env = MathEnv(problems="gsm8k", data=data)
    source = PublishedProblems("gsm8k", data)
    report = Report()
    begun = time.process_time()
    for split in env.spec.splits:
        try:
            tasks = source.tasks(split)[:limit]
        except MissingError:  # the published set has no such file
            continue
        for task in tasks:
            gold = source.problem(task).answer
            report.problems += 1
            if _won(env, task, *env.solution(task)):
                report.right += 1
            else:
                report.missed.append(task)
            *steps, _ = env.solution(task)
            for other in _changed(gold):
                report.changed += 1
                if _won(env, task, *steps, f"#### {other}"):
                    report.missed.append(f"{task} with {other} for {gold}")
                else:
                    report.changed_wrong += 1
                if ask_judge:
                    report.judge_disagrees += shared_judge().same(gold, other)
            if ask_judge:
                report.judge_disagrees += not shared_judge().same(gold, gold)
    report.seconds = round(time.process_time() - begun, 1)
    return report


def _won(env: MathEnv, task: str, *steps: str) -> bool:
    env.reset(task)
    result = None
    for step in steps:
        result = env.step(step)
    assert result is not None
    assert result.terminated, f"{task} did not end with its last step"
    return result.reward == 1.0


def _changed(gold: str) -> Iterator[str]:
    """Yield other results than the right one, near it and written as it is."""
    number = float(gold.replace(",", ""))
    whole = int(number) if number == int(number) else number
    yield from map(str, (whole + 1, whole * 10 or 10, -whole or 2, f"{gold}1"))


if __name__ == "__main__":
    main()
