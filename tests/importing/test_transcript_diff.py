from __future__ import annotations

import pytest

from oreo_agent.importing.transcript_diff import (
    Difference,
    differences,
    is_agreement,
    same_opening,
)

SEEN = "You arrive at shelf 1. On the shelf 1, you see a mug 1, and a pen 2."


@pytest.mark.parametrize(
    ("logged", "found"),
    [
        (SEEN, ()),
        (f"{SEEN}\n", (Difference.SPACE,)),
        ("On the shelf 1, you see a mug 1, and a pen 2.", (Difference.PREFIX,)),
        (
            "You arrive at loc 9. On the shelf 1, you see a mug 1, and a pen 2.",
            (Difference.WORDING,),
        ),
        ("On the shelf 1, you see a pen 2, and a mug 1.", (Difference.PREFIX, Difference.ORDER)),
        ("On the shelf 1, you see a mug 1.", (Difference.OTHER,)),
        ("On the shelf 1, you see a mug 2, and a pen 1.", (Difference.OTHER,)),
        ("Nothing happens.", (Difference.OTHER,)),
        ("", (Difference.OTHER,)),
    ],
)
def test_known_differences_are_seen_past_and_named(
    logged: str, found: tuple[Difference, ...]
) -> None:
    assert differences(logged, SEEN) == found
    assert is_agreement(found) == (Difference.OTHER not in found)


def test_put_and_move_are_wordings_of_the_same() -> None:
    played = "You move the mug 1 to the shelf 1."
    assert differences("You put the mug 1 in/on the shelf 1.", played) == (Difference.WORDING,)
    assert differences("You put the mug 2 in/on the shelf 1.", played) == (Difference.OTHER,)


def test_openings_agree_without_the_banner_and_in_any_order_of_things() -> None:
    played = "-= Welcome to TextWorld, ALFRED! =-\n\nYou see a desk 1, and a bed 1.\n\nYour task"
    assert same_opening("You see a bed 1, and a desk 1.\nYour task", played)
    assert not same_opening("You see a bed 2, and a desk 1.\nYour task", played)
    played = played.replace("a desk 1", "a desk 2")
    assert not same_opening("You see a bed 2, and a desk 1.\nYour task", played)
