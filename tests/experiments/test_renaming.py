"""Copies of episodes in which things have other names."""

from __future__ import annotations

import re

import msgspec

from experiments.renaming import find_kinds, renamed
from oreo_agent.episodes.record import Actor, Episode, Executed, Turn
from tests.episodes.test_store import episode

FIRST = "Looking quickly around you, you see a desk 1, a shelf 2, a shelf 1, and a fridge 1."
STEPS = (
    (FIRST, "go to desk 1"),
    ("On the desk 1, you see a book 2, a book 1, and a mug 3.", "take book 2 from desk 1"),
    ("You pick up the book 2 from the desk 1.", "move book 2 to shelf 1"),
)


def logged() -> Episode:
    turns = tuple(
        Turn(
            observation=seen,
            executed=Executed(message=done, action=done, actor=Actor.POLICY, token_ids=None),
        )
        for seen, done in STEPS
    )
    plain = episode("e-1")
    last = "You move the book 2 to the shelf 1."
    return msgspec.structs.replace(
        plain, goal="put some book on shelf.", turns=turns, final_observation=last
    )


def words(told: Episode) -> list[str]:
    texts = [told.goal, told.final_observation or ""]
    texts += [text for t in told.turns for text in (t.observation, t.executed.action)]
    return re.findall(r"[a-z]+ \d+|\w+", " ".join(texts))


def test_first_observations_list_places_and_the_others_what_can_be_carried() -> None:
    kinds = find_kinds([logged()])
    assert kinds.places == ["desk", "shelf"]  # a fridge cools, which nothing else does
    assert kinds.portable == ["book", "mug"]


def test_a_name_becomes_one_other_and_no_two_the_same() -> None:
    kinds = find_kinds([logged()])
    copies = [renamed(logged(), kinds, number) for number in range(8)]
    assert any("put some mug on desk." in copy.goal for copy in copies)
    for copy in copies:
        pairs = set(zip(words(logged()), words(copy), strict=True))
        assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs)
        kept = {old for old, new in pairs if old == new}
        assert kept >= {"fridge 1", "put", "take", "you", "the"}
    assert len({copy.turns[1].observation for copy in copies}) > 3


def test_episodes_of_a_task_and_a_copy_are_renamed_alike_and_others_otherwise() -> None:
    kinds = find_kinds([logged()])
    first = renamed(logged(), kinds, 0)
    again = renamed(msgspec.structs.replace(logged(), id="e-2"), kinds, 0)
    assert (again.id, again.goal, again.turns) == ("e-2-0", first.goal, first.turns)
    assert len({words_of(renamed(logged(), kinds, copy)) for copy in range(8)}) > 2
    others = {
        words_of(renamed(msgspec.structs.replace(logged(), task=f"t-{n}"), kinds, 0))
        for n in range(8)
    }
    assert len(others) > 2


def words_of(told: Episode) -> tuple[str, ...]:
    return tuple(words(told))
