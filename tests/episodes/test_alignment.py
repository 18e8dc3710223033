from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from oreo_agent.episodes import Episode
from oreo_agent.episodes.alignment import RowKind, align, align_so_far
from oreo_agent.episodes.record import Actor, Executed, Outcome, Turn

ACTIONS = st.lists(st.sampled_from("abcd"), max_size=12)


def episode(actions: str | list[str], *, answer: str = "ok") -> Episode:
    turns = tuple(
        Turn(
            observation=answer,
            executed=Executed(message=action, action=action, actor=Actor.POLICY),
        )
        for action in actions
    )
    return Episode(
        id="e",
        env="scripted",
        task="t",
        goal="g",
        outcome=Outcome.HORIZON,
        turns=turns,
        final_observation=answer,
    )


def states(left: str, right: str) -> list[tuple[int | None, int | None]]:
    return [row.states for row in align(episode(left), episode(right)).rows]


def test_up_to_the_fork_turn_stands_beside_turn() -> None:
    assert states("ab", "ab") == [(0, 0), (1, 1), (2, 2)]


def test_the_first_actions_that_differ_stand_beside_each_other() -> None:
    alignment = align(episode("abxd"), episode("abyd"))
    assert alignment.fork == 3
    assert alignment.rows[3].states == (3, 3)
    assert alignment.rows[3].kind is RowKind.DIFFERENT


def test_behind_the_fork_equal_actions_stand_beside_each_other() -> None:
    # The left one strays (x) before it does what the right one does at once.
    assert states("axbcd", "abcd") == [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, None),
        (4, 3),
        (5, 4),
    ]


def test_an_episode_that_goes_on_differs_where_the_other_ends() -> None:
    alignment = align(episode("ab"), episode("abcd"))
    assert alignment.fork == 3
    assert [row.states for row in alignment.rows[3:]] == [(None, 3), (None, 4)]


def test_the_same_episodes_have_no_fork() -> None:
    alignment = align(episode("abc"), episode("abc"))
    assert alignment.fork is None
    assert {row.kind for row in alignment.rows} == {RowKind.SAME}


def test_the_same_action_with_another_answer_is_said_but_no_difference() -> None:
    alignment = align(episode("ab"), episode("ab", answer="no"))
    assert {row.kind for row in alignment.rows} == {RowKind.OTHER_ANSWER}
    assert alignment.differences == ()


def test_each_stretch_of_differences_counts_once() -> None:
    alignment = align(episode("axxbcyd"), episode("auubcvd"))
    assert [alignment.rows[place].left for place in alignment.differences] == [2, 6]


def test_beside_a_gap_stands_the_state_before_it() -> None:
    alignment = align(episode("axbc"), episode("abc"))
    gap = next(n for n, row in enumerate(alignment.rows) if row.right is None)
    assert alignment.states_at(gap) == (3, 2)


@given(ACTIONS, ACTIONS)
def test_every_turn_of_both_is_shown_once_and_in_order(left: list[str], right: list[str]) -> None:
    alignment = align(episode(left), episode(right))
    assert [r.left for r in alignment.rows if r.left is not None] == [*range(len(left) + 1)]
    assert [r.right for r in alignment.rows if r.right is not None] == [*range(len(right) + 1)]
    for row in alignment.rows[1:]:
        if row.kind is not RowKind.DIFFERENT:
            assert row.left is not None
            assert row.right is not None
            assert left[row.left - 1] == right[row.right - 1]


def test_episodes_of_many_turns_are_aligned_at_once() -> None:
    long = align(episode(["look"] * 900), episode(["wait", *["look"] * 900]))
    assert len(long.rows) > 900
    endless = align(episode(["look"] * 5000), episode(["wait", *["look"] * 5000]))
    assert len(endless.rows) == 5002


@given(ACTIONS, ACTIONS)
def test_what_is_not_played_yet_differs_in_nothing(done: list[str], playing: list[str]) -> None:
    alignment = align_so_far(episode(done), None)
    assert [row.states for row in alignment.rows] == [(n, None) for n in range(len(done) + 1)]
    assert alignment.differences == ()
    soon = align_so_far(episode(done), episode(done[:1]))
    assert soon.differences == ()
    every = align_so_far(episode(done), episode(playing))
    assert [r.left for r in every.rows if r.left is not None] == [*range(len(done) + 1)]
    assert every.row_of(1, len(playing)) < len(every.rows)


def test_two_records_may_be_of_any_length() -> None:
    assert states("", "") == [(0, 0)]
    assert states("", "a") == [(0, 0), (None, 1)]
    both = msgspec.structs.replace(episode("a"), final_observation=None)
    assert align(both, both).rows[1].kind is RowKind.SAME
