"""Pairs of what a person did and what the agent proposed there."""

from __future__ import annotations

import msgspec
import pytest

from oreo_agent.episodes.record import (
    Actor,
    Decision,
    Episode,
    Executed,
    Outcome,
    Proposal,
    Turn,
)
from oreo_agent.errors import ConfigError
from oreo_agent.learning.pairs import Pair, PairDataset, correction_pairs
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer

GOAL = "put a mug in desk"
ROOM = f"you see a bed 1 and a desk 1.\n\nYour task is to: {GOAL}."
ACTIONS = ("look", "go to desk 1", "go to bed 1")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(train_tokenizer([f"{GOAL}\nyou see a bed 1 and a desk 1.", *ACTIONS] * 3))


def turn(done: str, proposed: str | None, actor: Actor, *, seen: str = "a desk 1.") -> Turn:
    accepted = actor is Actor.POLICY
    return Turn(
        observation=seen,
        executed=Executed(message=done, action=done, actor=actor),
        proposed=None if proposed is None else Proposal(message=proposed, action=proposed),
        decision=Decision.ACCEPT if accepted else Decision.TAKE_OVER,
    )


def corrected(*turns: Turn, outcome: Outcome = Outcome.SUCCESS) -> Episode:
    first = msgspec.structs.replace(turns[0], observation=ROOM)
    last = msgspec.structs.replace(turns[-1] if turns[1:] else first, reward=1.0)
    if outcome is not Outcome.SUCCESS:
        last = msgspec.structs.replace(last, reward=0.0)
    turns = (last,) if not turns[1:] else (first, *turns[1:-1], last)
    return Episode(id="e", env="alfworld", task="t", goal=GOAL, outcome=outcome, turns=turns)


def said(pair: Pair, renderer: Renderer) -> tuple[str, str]:
    texts = [
        renderer.decode([i for i, own in zip(s.token_ids, s.action_mask, strict=True) if own])
        for s in (pair.chosen, pair.rejected)
    ]
    return texts[0], texts[1]


def test_both_sides_are_the_episode_up_to_the_turn_and_then_one_message(renderer: Renderer) -> None:
    episode = corrected(
        turn("look", "look", Actor.POLICY), turn("go to desk 1", "go to bed 1", Actor.HUMAN)
    )
    (pair,) = correction_pairs([episode], renderer)
    assert said(pair, renderer) == ("go to desk 1", "go to bed 1")
    assert pair.chosen.prompt == pair.rejected.prompt
    whole = renderer.render(episode)
    assert pair.chosen.token_ids == whole.token_ids
    assert sum(whole.action_mask) > sum(pair.chosen.action_mask)
    assert pair.rejected.token_ids[-1] == renderer.end_id


def test_what_the_agent_had_wanted_too_is_no_pair(renderer: Renderer) -> None:
    episode = corrected(
        turn("look", None, Actor.HUMAN),
        turn("look", "look", Actor.HUMAN),
        turn("look", "", Actor.HUMAN),
        turn("look", "go to bed 1", Actor.EXPERT),
    )
    assert correction_pairs([episode], renderer) == []


def test_a_person_who_lost_is_no_teacher(renderer: Renderer) -> None:
    lost = corrected(turn("look", "go to bed 1", Actor.HUMAN), outcome=Outcome.HORIZON)
    assert correction_pairs([lost], renderer) == []
    won = corrected(turn("look", "go to bed 1", Actor.HUMAN))
    assert len(correction_pairs([won], renderer)) == 1


def test_the_tokens_that_the_agent_proposed_are_not_made_anew(renderer: Renderer) -> None:
    ids = (*renderer.encode("go to"), *renderer.encode(" bed 1"), renderer.end_id)
    proposed = Proposal(message="go to bed 1", action="go to bed 1", token_ids=ids)
    by_hand = msgspec.structs.replace(turn("look", None, Actor.HUMAN), proposed=proposed)
    episode = corrected(by_hand)
    own = msgspec.structs.replace(episode, tokenizer_sha256=renderer.sha256)
    (pair,) = correction_pairs([own], renderer)
    assert tuple(pair.rejected.token_ids[-len(ids) :]) == ids


def test_an_agent_that_said_nothing_is_taught_to_say_something(renderer: Renderer) -> None:
    silent = Proposal(message="", action="", token_ids=(renderer.end_id,))
    by_hand = msgspec.structs.replace(turn("look", None, Actor.HUMAN), proposed=silent)
    episode = msgspec.structs.replace(corrected(by_hand), tokenizer_sha256=renderer.sha256)
    (pair,) = correction_pairs([episode], renderer)
    assert pair.rejected.token_ids == [*pair.chosen.prompt, renderer.end_id]


def test_corrections_alone_are_enough_to_train_on_and_too_long_ones_are_counted(
    renderer: Renderer,
) -> None:
    episode = corrected(turn("look", "go to bed 1", Actor.HUMAN))
    pairs = correction_pairs([episode], renderer)
    whole = [renderer.render(episode)]
    data = PairDataset(whole, max_length=100, per_task=5, seed=0, corrections=pairs)
    assert data.pairs == pairs
    longest = max(data.lengths)
    with pytest.raises(ConfigError, match="1 too long correction"):
        PairDataset([], max_length=longest - 1, per_task=5, seed=0, corrections=pairs)
