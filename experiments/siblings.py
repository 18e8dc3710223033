"""V among siblings, from played episodes: pairs that parted at one turn, and of which one was won.

The policy plays each game several times at temperature 1. A pair is two episodes of one game that
went the same way up to a turn, acted otherwise there, and of which one was won. The share of pairs
in which the action that led to success has the higher V behind it is printed beside the same share
by the policy's own log-probability, which a search has for nothing, and beside the AUC over all
episodes of the V at their end, at their middle and the mean over their second half, which is high
already where V only knows which games are hard.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from oreo_agent.agents.factory import make_agent
from oreo_agent.config import resolve
from oreo_agent.episodes.record import Candidate, Episode, Outcome
from oreo_agent.learning.calibration import auc
from oreo_agent.training.collect import collect
from oreo_agent.training.config import config_type

__all__ = ["compare_episodes", "sibling_pairs"]

Pair = tuple[Candidate, Candidate]
"""The action that led to success, and the one that did not."""


def compare_episodes(
    env: str, checkpoint: Path, *, split: str, games: int, samples: int, sets: Sequence[str]
) -> dict[str, Any]:
    """Play each game several times, print a line for each type of task, and return all figures."""
    kind = config_type(env)
    size = f"{kind.plugin.section}.{split}={games}"
    config = resolve(kind, env={}, sets=[*sets, size]).value
    setting = replace(config.agent_setting(), checkpoint=checkpoint, temperature=1.0)
    agent = make_agent("value:1", setting)
    with tempfile.TemporaryDirectory(prefix="oreo-siblings-") as folder:
        out = Path(folder) / "episodes"
        episodes = collect(config, agent, out, split=split, count=games * samples)
    rows = {}
    for name in ("all", *sorted({e.task_type or "" for e in episodes} - {""})):
        rows[name] = _row([e for e in episodes if name in ("all", e.task_type)])
        print(_line(name, rows[name]), flush=True)
    return {"env": env, "split": split, "rows": rows}


def _row(episodes: Sequence[Episode]) -> dict[str, float | None]:
    pairs = list(sibling_pairs(episodes))
    won = [episode.outcome is Outcome.SUCCESS for episode in episodes]
    values = [[_value(turn.candidates[0]) for turn in episode.turns] for episode in episodes]
    halves = [each[len(each) // 2 :] for each in values]
    return {
        "success": sum(won) / len(won),
        "auc": auc([half[-1] for half in halves], won),
        "auc_middle": auc([half[0] for half in halves], won),
        "auc_second_half": auc([statistics.fmean(half) for half in halves], won),
        "pairs": len(pairs),
        "value": _share(pairs, _value),
        "logprob": _share(pairs, _likelihood),
    }


def sibling_pairs(episodes: Sequence[Episode]) -> Iterator[Pair]:
    """Yield what was tried in the same state, with success and without."""
    tried: dict[tuple[str, ...], tuple[list[Candidate], list[Candidate]]]
    tried = defaultdict(lambda: ([], []))
    for episode in episodes:
        path = [episode.task]
        for turn in episode.turns:
            lost = episode.outcome is not Outcome.SUCCESS
            tried[tuple(path)][lost].append(turn.candidates[0])
            path.append(turn.executed.action)
    for won, failed in tried.values():
        yield from ((a, b) for a, b in product(won, failed) if a.action != b.action)


def _share(pairs: Sequence[Pair], score: Callable[[Candidate], float]) -> float | None:
    if not pairs:
        return None
    found = [(score(a), score(b)) for a, b in pairs]
    return sum((a > b) + 0.5 * (a == b) for a, b in found) / len(found)


def _value(candidate: Candidate) -> float:
    assert candidate.value is not None
    return candidate.value


def _likelihood(candidate: Candidate) -> float:
    return candidate.probability or 0.0


def _line(name: str, row: dict[str, float | None]) -> str:
    shown = {key: "-" if row[key] is None else f"{row[key]:.3f}" for key in row}
    return (
        f"{name:28} success {shown['success']}; AUC of V {shown['auc']} (middle"
        f" {shown['auc_middle']}, second half {shown['auc_second_half']}); among {row['pairs']:.0f}"
        f" pairs of siblings: V {shown['value']}, log-probability {shown['logprob']}"
    )
