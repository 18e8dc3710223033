"""Success by game, with intervals and paired tests. No torch.

Every game counts once per policy; comparisons are paired by game.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from oreo_agent.episodes.record import Episode, Outcome

_FLIPS = 100_000
"""Monte-Carlo sign vectors of the sign-flip test; the observed one is counted too."""


class GameResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one policy made of one game."""

    task: str
    split: str
    task_type: str
    outcome: Outcome
    turns: int
    wrong_commands: int
    """Turns whose action had no effect, in environments that say so."""

    @property
    def won(self) -> bool:
        """Whether the game was won."""
        return self.outcome is Outcome.SUCCESS


class Proportion(msgspec.Struct, frozen=True, kw_only=True):
    """Successes out of games, with the 95 % Wilson interval."""

    successes: int
    games: int
    rate: float
    low: float
    high: float


def game_results(episodes: Sequence[Episode], *, no_effect: str | None = None) -> list[GameResult]:
    """Read results off evaluation episodes, in order.

    ``no_effect`` is the observation that answers an action without effect, if there is one.

    Raises:
        ValueError: An episode broke off by an error or was left unfinished: it says nothing about
            the policy and must be played again.
    """
    results = []
    for episode in episodes:
        if not episode.outcome.is_scored:
            raise ValueError(f"game {episode.task} ended as {episode.outcome}: {episode.error}")
        answers = [*(turn.observation for turn in episode.turns[1:]), episode.final_observation]
        results.append(
            GameResult(
                task=episode.task,
                split=episode.split or "",
                task_type=episode.task_type or "",
                outcome=episode.outcome,
                turns=len(episode.turns),
                wrong_commands=0 if no_effect is None else answers.count(no_effect),
            )
        )
    return results


def wilson_interval(successes: float, games: int) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, at 95 %; (0, 1) for no games.

    ``successes`` may be a fraction: a rate times the number of independent games.
    """
    if games == 0:
        return 0.0, 1.0
    z, rate = 1.959963984540054, successes / games
    centre = rate + z * z / (2 * games)
    spread = z * math.sqrt(rate * (1 - rate) / games + z * z / (4 * games * games))
    scale = 1 + z * z / games
    # At the ends the bound is the rate itself: rounding must not put it on the wrong side.
    low = 0.0 if successes == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if successes == games else min(1.0, (centre + spread) / scale)
    return low, high


def success_by_type(results: Sequence[GameResult]) -> dict[str, Proportion]:
    """Return success per task type, in alphabetical order, then ``all``.

    A game that several runs played counts once in the interval's width: its outcomes are taken as
    one observation. It says nothing of other training seeds.
    """
    groups: dict[str, list[GameResult]] = {}
    for result in results:
        groups.setdefault(result.task_type, []).append(result)
    ordered = {name: groups[name] for name in sorted(groups)}
    ordered["all"] = list(results)
    return {name: _proportion(group) for name, group in ordered.items()}


def mcnemar_exact(ours: Mapping[str, bool], theirs: Mapping[str, bool]) -> float:
    """Return the exact two-sided McNemar p-value of two policies on the same games.

    Raises:
        ValueError: The games differ.
    """
    if ours.keys() != theirs.keys():
        raise ValueError("McNemar's test needs the same games on both sides")
    wins = sum(ours[task] and not theirs[task] for task in ours)
    losses = sum(theirs[task] and not ours[task] for task in ours)
    n = wins + losses
    tail: float = sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n
    return min(1.0, 2 * tail)


def sign_flip_test(differences: Mapping[str, float]) -> float:
    """Return the two-sided p-value of a sign-flip test clustered by game.

    Under the null hypothesis each game's mean difference (over training seeds) is as likely to have
    either sign; all seeds of a game flip together, for they share the game.

    Args:
        differences: Task id to the mean difference in success, ours minus theirs.
    """
    values = np.array([value for value in differences.values() if value]).round(12)
    if values.size == 0:
        return 1.0
    # Games of equal weight are alike: how many of them are positive is binomial.
    weights, counts = np.unique(np.abs(values), return_counts=True)
    generator = np.random.default_rng(0)
    sums = np.zeros(_FLIPS)
    for weight, count in zip(weights, counts, strict=True):
        sums += weight * (2 * generator.binomial(count, 0.5, size=_FLIPS) - count)
    extreme = 1 + int((np.abs(sums) >= abs(values.sum()) - 1e-9).sum())
    return float(extreme / (_FLIPS + 1))


def _proportion(results: Sequence[GameResult]) -> Proportion:
    successes, games = sum(result.won for result in results), len(results)
    rate = successes / games if games else 0.0
    distinct = len({result.task for result in results})
    low, high = wilson_interval(rate * distinct, distinct)
    return Proportion(successes=successes, games=games, rate=rate, low=low, high=high)
