"""Intervals and paired tests against published or hand-computed values."""

from __future__ import annotations

import math

import msgspec
import pytest

from oreo_agent.episodes.record import Actor, Episode, Executed, Outcome, Turn
from oreo_agent.evaluation import (
    game_results,
    mcnemar_exact,
    sign_flip_test,
    success_by_type,
    wilson_interval,
)


def test_wilson_interval_matches_the_textbook_value() -> None:
    low, high = wilson_interval(106, 134)
    assert low == pytest.approx(0.7147, abs=5e-4)
    assert high == pytest.approx(0.8511, abs=5e-4)


def test_wilson_interval_stays_inside_zero_and_one() -> None:
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_mcnemar_counts_only_the_games_on_which_the_policies_differ() -> None:
    ours = {f"g{i}": i < 8 or i >= 10 for i in range(30)}
    theirs = {f"g{i}": i >= 8 for i in range(30)}
    expected = 2 * sum(math.comb(10, k) for k in range(3)) / 2**10
    assert mcnemar_exact(ours, theirs) == pytest.approx(expected)


def test_mcnemar_refuses_other_games() -> None:
    with pytest.raises(ValueError, match="same games"):
        mcnemar_exact({"a": True}, {"b": True})


def test_sign_flip_agrees_with_the_exact_distribution() -> None:
    # All eight differences positive: 2 of 2**8 sign vectors are as extreme.
    p = sign_flip_test({f"g{i}": 1 / 3 for i in range(8)})
    assert p == pytest.approx(2 / 2**8, rel=0.1)


def test_sign_flip_sees_nothing_where_wins_equal_losses() -> None:
    assert sign_flip_test({f"g{i}": (-1.0) ** i for i in range(10)}) == pytest.approx(1.0)
    assert sign_flip_test({"g": 0.0}) == 1.0


def _episode(outcome: Outcome, *observations: str) -> Episode:
    turns = tuple(
        Turn(observation=o, executed=Executed(message="look", action="look", actor=Actor.POLICY))
        for o in observations[:-1]
    )
    return Episode(
        id="e",
        env="alfworld",
        task=f"t-{outcome}",
        goal="g",
        outcome=outcome,
        turns=turns,
        final_observation=observations[-1],
        split="valid_seen",
        task_type="pick",
    )


def test_wrong_commands_are_counted_up_to_the_last_answer() -> None:
    nothing = "Nothing happens."
    played = [_episode(Outcome.HORIZON, "room", nothing, "fine", nothing)]
    [result] = game_results(played, no_effect=nothing)
    assert (result.turns, result.wrong_commands, result.won) == (3, 2, False)


def test_what_alfworld_answers_to_wrong_commands_means_nothing_elsewhere() -> None:
    played = [_episode(Outcome.HORIZON, "room", "Nothing happens.", "Ouch.")]
    assert game_results(played)[0].wrong_commands == 0
    assert game_results(played, no_effect="Ouch.")[0].wrong_commands == 1


def test_a_broken_episode_is_never_counted_as_a_loss() -> None:
    with pytest.raises(ValueError, match="error"):
        game_results([_episode(Outcome.ERROR, "room", "x")])


def test_success_by_type_ends_with_all_games() -> None:
    table = success_by_type(
        game_results([_episode(Outcome.SUCCESS, "r", "x"), _episode(Outcome.HORIZON, "r", "x")])
    )
    assert list(table) == ["pick", "all"]
    assert (table["all"].successes, table["all"].games) == (1, 2)


def test_playing_the_same_games_again_does_not_narrow_the_interval() -> None:
    once = game_results(
        [
            msgspec.structs.replace(_episode(outcome, "r", "x"), task=f"t{i}")
            for i, outcome in enumerate([Outcome.SUCCESS, Outcome.HORIZON] * 20)
        ]
    )
    single, pooled = success_by_type(once)["all"], success_by_type(once * 3)["all"]
    assert (pooled.successes, pooled.games) == (60, 120)
    assert (pooled.low, pooled.high) == pytest.approx((single.low, single.high))
