"""Undo, failures, and going on from a record."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.episodes import Episode, EpisodeStore, Outcome
from oreo_agent.errors import UsageError
from oreo_agent.session import DivergedError, EventKind, Session
from tests.session.playing import Played, begin
from tests.tui.scripted_world import ROUTE, ScriptedAgent, ScriptedEnv


def test_undo_keeps_the_old_episode_and_opens_a_branch_with_the_prefix() -> None:
    played = begin()
    for _ in range(3):
        played.session.step()
    old = played.session.state.episode
    child = played.session.undo_to(2).episode
    assert child.id != old.id
    assert (child.parent, child.fork_turn) == (old.id, 2)
    assert child.turns == old.turns[:2]
    assert child.final_observation == old.turns[2].observation
    assert played.agent.forgotten == [old.id]
    state = played.session.take_over(ROUTE[2][0])
    assert state.episode.final_observation == ROUTE[2][1]
    assert state.unsaved == 2


def test_undo_after_the_end_plays_on_from_there() -> None:
    played = begin()
    while not played.session.state.over:
        played.session.step()
    state = played.session.undo_to(6)
    assert not state.over
    assert played.session.step().episode.outcome is Outcome.SUCCESS


def test_there_is_nothing_to_undo_at_the_last_turn() -> None:
    played = begin()
    played.session.step()
    for turn in (1, 5, -1):
        with pytest.raises(UsageError):
            played.session.undo_to(turn)


def test_an_undo_that_diverges_stops_and_keeps_what_was_played(tmp_path: Path) -> None:
    played = begin()
    for _ in range(3):
        played.session.step()
    played.env.hostile = " (another version of the game)"
    state = played.session.undo_to(2)
    assert state.over
    assert state.failure is not None
    assert "answers otherwise" in state.failure
    assert state.episode.outcome is Outcome.UNFINISHED
    assert played.session.save(EpisodeStore(tmp_path)) == 1
    assert len(EpisodeStore(tmp_path).get(state.episode.id).turns) == 3


def test_an_environment_that_fails_is_an_event_and_a_recorded_error() -> None:
    played = begin()
    played.env.breaks_on = "go to fridge 1"
    played.session.step()
    state = played.session.take_over("go to fridge 1")
    assert played.kinds[-1] is EventKind.FAILED
    assert state.over
    assert state.episode.outcome is Outcome.ERROR
    assert state.episode.error == "environment: The game crashed. Try another task."
    assert state.episode.final_observation is None
    assert [turn.executed.action for turn in state.episode.turns][-1] == "go to fridge 1"


def test_after_a_failure_undo_tries_again_on_a_branch() -> None:
    played = begin()
    played.agent.breaks_at = 1
    played.session.step()
    state = played.session.step()
    assert state.episode.error == "agent: RuntimeError: the model ran out of memory"
    played.agent.breaks_at = None
    state = played.session.undo_to(1)
    assert state.failure is None
    assert played.session.step().episode.final_observation == ROUTE[1][1]


def winning_step_that_failed_once(journals: Path | None = None) -> Played:
    played = begin(journals)
    played.env.breaks_on = ROUTE[5][0]
    for action, _ in ROUTE:
        played.session.take_over(action)
    assert played.session.state.episode.outcome is Outcome.ERROR
    played.env.breaks_on = None
    return played


def test_a_failed_step_that_wins_when_played_again_is_a_success(tmp_path: Path) -> None:
    played = winning_step_that_failed_once(tmp_path / "journals")
    state = played.session.undo_to(6)
    assert (state.over, state.episode.outcome, state.episode.ret) == (True, Outcome.SUCCESS, 1.0)
    assert state.failure is None
    assert played.kinds[-2:] == [EventKind.BRANCHED, EventKind.ENDED]
    store = EpisodeStore(tmp_path / "store")
    assert played.session.save(store) == 2
    assert [episode.outcome for episode in store] == [Outcome.ERROR, Outcome.SUCCESS]


def test_a_record_cut_off_before_its_end_was_written_is_over_when_it_is_continued() -> None:
    played = begin()
    while not played.session.state.over:
        played.session.step()
    won = played.session.state.episode
    cut_off = msgspec.structs.replace(won, outcome=Outcome.UNFINISHED)
    state = begin(start=False).session.resume(cut_off)
    assert (state.over, state.episode.outcome, state.episode.ret) == (True, Outcome.SUCCESS, 1.0)


def test_the_record_names_the_tokenizer_of_its_token_ids() -> None:
    env, agent = ScriptedEnv(), ScriptedAgent()
    agent.tokenizer_sha256 = "one"
    session = Session(env=env, agent=agent)
    session.start()
    parent = session.step().episode
    assert parent.tokenizer_sha256 == "one"
    same = session.undo_to(0).episode
    assert same.tokenizer_sha256 == "one"

    def continued(tokenizer: str | None) -> Episode:
        other = begin(start=False)
        other.agent.tokenizer_sha256 = tokenizer
        return other.session.resume(parent).episode

    assert continued("one").turns == parent.turns
    assert (continued(None).tokenizer_sha256, continued(None).turns) == ("one", parent.turns)
    child = continued("another")
    assert child.tokenizer_sha256 == "another"
    assert child.turns[0].executed.token_ids is None
    assert child.turns[0].proposed is not None
    assert child.turns[0].proposed.token_ids is None
    assert child.turns[0].executed.message == parent.turns[0].executed.message


def test_the_turns_of_a_branch_are_drawn_with_the_seed_that_its_record_names() -> None:
    played = begin()
    played.session.step()
    record = msgspec.structs.replace(played.session.state.episode, seed=7)
    seeds = []
    for seed in (1, 2):
        agent = ScriptedAgent()
        session = Session(env=ScriptedEnv(), agent=agent, seed=seed)
        assert session.resume(record).episode.seed == 7
        session.propose()
        seeds.append(agent.requests[-1].seed)
    assert seeds[0] == seeds[1]


def test_an_episode_that_is_over_can_only_be_resumed_at_an_earlier_turn() -> None:
    played = begin()
    while not played.session.state.over:
        played.session.step()
    record = played.session.state.episode
    with pytest.raises(UsageError, match="is over"):
        begin(start=False).session.resume(record)
    assert begin(start=False).session.resume(record, 3).episode.fork_turn == 3


def test_resuming_a_record_of_another_game_is_refused() -> None:
    played = begin()
    for _ in range(2):
        played.session.step()
    record = played.session.state.episode
    other = begin(start=False)
    other.env.hostile = "!"
    with pytest.raises(DivergedError, match="turn 0"):
        other.session.resume(record)


def test_the_same_seed_gives_the_same_requests_and_a_branch_other_ones() -> None:
    seeds = []
    for _ in range(2):
        played = begin()
        played.session.step()
        played.session.step()
        played.session.undo_to(1)
        played.session.propose()
        seeds.append([request.seed for request in played.agent.requests])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3
