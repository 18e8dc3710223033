"""Coming back to a state without playing the episode again."""

from __future__ import annotations

import dataclasses

import pytest

from oreo_agent.envs.core import EnvError, Observation
from oreo_agent.session import DivergedError, Session, rescore
from tests.session.playing import begin
from tests.tui.scripted_world import ROUTE, ScriptedAgent, ScriptedEnv


class ForkingEnv(ScriptedEnv):
    """Keeps its state by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False
        self.restored = 0

    def fork(self) -> object:
        return (self._done, self._steps, self._said)

    def restore(self, snapshot: object) -> Observation:
        if self.lost:
            raise EnvError("the snapshot was lost with its worker process.", "Play again.")
        assert isinstance(snapshot, tuple)
        self.restored += 1
        self._done, self._steps, self._said = snapshot
        return self._observe(self._said, is_suffixed=False)


def forking() -> tuple[Session, ForkingEnv]:
    env = ForkingEnv()
    session = Session(env=env, agent=ScriptedAgent(), task="kitchen/clean-mug")
    session.start()
    return session, env


def test_undo_restores_the_state_and_plays_nothing_again() -> None:
    session, env = forking()
    for _ in range(5):
        session.step()
    text = session.state.episode.turns[2].observation
    state = session.undo_to(2)
    assert (env.resets, env.restored) == (1, 1)
    assert state.episode.final_observation == text
    assert session.undo_to(1).episode.fork_turn == 1
    assert session.step().episode.final_observation == ROUTE[1][1]


def test_a_state_that_was_lost_is_played_again_and_compared() -> None:
    session, env = forking()
    for _ in range(3):
        session.step()
    env.lost = True
    assert session.undo_to(2).failure is None
    assert env.resets == 2
    session.step()
    env.hostile = " (otherwise)"
    assert "answers otherwise" in (session.undo_to(1).failure or "")


def test_a_record_that_is_continued_can_be_undone_to_each_of_its_turns() -> None:
    session, _ = forking()
    for _ in range(4):
        session.step()
    record = session.state.episode
    other, env = forking()
    other.resume(record, 3)
    other.undo_to(1)
    assert (env.resets, env.restored) == (2, 1)


def test_a_divergence_says_where_and_quotes_both_texts() -> None:
    played = begin()
    for _ in range(3):
        played.session.step()
    record = played.session.state.episode
    other = begin(start=False)
    step = other.env.step

    def otherwise(action: str) -> object:
        result = step(action)
        if action != ROUTE[1][0]:
            return result
        seen = dataclasses.replace(result.observation, text="You drop the mug.")
        return dataclasses.replace(result, observation=seen)

    other.env.step = otherwise  # type: ignore[method-assign,assignment]  # one answer differs
    with pytest.raises(DivergedError, match=r"turn 2: 'You drop the mug.', recorded 'You pick up"):
        other.session.resume(record)


def test_another_model_gives_its_values_and_leaves_the_record_as_it_is() -> None:
    played = begin()
    for _ in range(3):
        played.session.step()
    record = played.session.state.episode
    before = record.turns[0].value
    agent = ScriptedAgent()
    agent.bias = 0.1
    seen = rescore(record, agent)
    assert before is not None
    assert record.turns[0].value == before
    values = [turn.value.value for turn in seen.episode.turns if turn.value]
    assert values == pytest.approx([0.28, 0.40, 0.52])
    assert seen.last is not None
    assert seen.last.value is not None
    assert seen.episode.turns[0].executed == record.turns[0].executed
    assert agent.forgotten == [f"{record.id}/rescored"]


def test_scoring_stops_when_it_is_told_to() -> None:
    played = begin()
    for _ in range(3):
        played.session.step()
    agent = ScriptedAgent()
    rescore(played.session.state.episode, agent, lambda done: done < 2)
    assert len(agent.requests) == 2
