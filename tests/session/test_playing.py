"""Steps, choices and overrides of one episode."""

from __future__ import annotations

import subprocess
import sys

import pytest

from oreo_agent.envs.core import StepResult
from oreo_agent.episodes import Actor, Decision, Outcome
from oreo_agent.errors import UsageError
from oreo_agent.session import EventKind, Session, SessionEvent
from tests.session.playing import begin
from tests.tui.scripted_world import BANNER, ROUTE, ScriptedAgent, ScriptedEnv


def test_it_starts_with_the_first_observation_and_the_facts_of_the_task() -> None:
    state = begin().session.state
    assert state.episode.final_observation == BANNER
    assert state.episode.goal == "put a clean mug in coffeemachine."
    assert state.episode.task_type == "pick_clean_then_place_in_recep"
    assert (state.episode.split, state.episode.seed, state.horizon) == ("train", 1, 20)
    assert not state.over


def test_without_a_task_one_is_drawn_and_recorded_with_its_split() -> None:
    session = Session(env=ScriptedEnv(), agent=ScriptedAgent(), seed=3)
    episode = session.start().episode
    assert (episode.task, episode.split) == ("kitchen/clean-mug", "train")


def test_a_session_that_was_not_started_says_so() -> None:
    with pytest.raises(UsageError, match="not started"):
        begin(start=False).session.step()


def test_a_step_does_what_the_agent_proposed_and_records_it_as_accepted() -> None:
    played = begin()
    decision = played.session.propose()
    assert decision is not None
    state = played.session.step()
    (turn,) = state.episode.turns
    assert turn.decision is Decision.ACCEPT
    assert turn.executed.actor is Actor.POLICY
    assert turn.executed.token_ids == (5, 6)
    assert turn.proposed == decision.proposal
    assert turn.candidates == decision.candidates
    assert turn.value == decision.value
    assert turn.observation == BANNER
    assert turn.admissible is not None
    assert ROUTE[0][0] in turn.admissible
    assert state.episode.final_observation == ROUTE[0][1]


def test_the_agent_is_asked_once_a_turn() -> None:
    played = begin()
    first, second = played.session.propose(), played.session.propose()
    assert first is second
    assert played.kinds.count(EventKind.PROPOSED) == 1


def test_played_to_the_end_it_is_a_success_with_its_reward() -> None:
    played = begin()
    while not played.session.state.over:
        played.session.step()
    episode = played.session.state.episode
    assert episode.outcome is Outcome.SUCCESS
    assert episode.ret == 1.0
    assert played.kinds[-2:] == [EventKind.STEPPED, EventKind.ENDED]
    with pytest.raises(UsageError, match="over"):
        played.session.take_over("look")


def test_the_horizon_ends_an_episode_without_reward() -> None:
    played = begin()
    for _ in range(20):
        played.session.take_over("look")
    assert played.session.state.episode.outcome is Outcome.HORIZON
    assert played.session.state.episode.ret == 0.0


def test_override_is_recorded_as_human() -> None:
    played = begin()
    proposal = played.session.propose()
    turn = played.session.take_over("  open   drawer 2 ").episode.turns[0]
    assert proposal is not None
    assert turn.executed.action == "open drawer 2"
    assert turn.executed.actor is Actor.HUMAN
    assert turn.executed.token_ids is None
    assert turn.decision is Decision.TAKE_OVER
    assert turn.proposed == proposal.proposal


def test_a_proposal_without_an_action_ends_the_episode_as_invalid() -> None:
    played = begin()
    played.agent.is_mute = True
    state = played.session.step()
    assert state.over
    assert state.episode.outcome is Outcome.INVALID
    assert state.episode.ret == 0.0
    assert state.episode.turns[0].executed.message == "I wonder."
    assert played.session.undo_to(0).episode.turns == ()


def test_an_override_without_a_proposal_records_none() -> None:
    turn = begin().session.take_over("look").episode.turns[0]
    assert turn.proposed is None
    assert turn.value is None


def test_an_empty_override_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        begin().session.take_over("  ")


def test_choosing_another_candidate_is_recorded_as_chosen_by_a_person() -> None:
    played = begin()
    played.session.propose()
    options = played.session.state.options
    turn = played.session.choose(options[1].action).episode.turns[0]
    assert turn.executed.action == "look"
    assert (turn.executed.actor, turn.decision) == (Actor.HUMAN, Decision.CHOOSE)


def test_choosing_what_the_agent_wants_is_accepting_it() -> None:
    played = begin()
    played.session.propose()
    turn = played.session.choose(ROUTE[0][0]).episode.turns[0]
    assert (turn.executed.actor, turn.decision) == (Actor.POLICY, Decision.ACCEPT)
    assert turn.executed.token_ids == (5, 6)


def test_without_candidates_the_pick_and_the_admissible_actions_can_be_chosen() -> None:
    played = begin()
    played.agent.has_candidates = False
    played.session.propose()
    assert len(played.session.state.options) == 5
    assert [c.action for c in played.session.state.options][:2] == [ROUTE[0][0], "look"]
    with pytest.raises(UsageError, match="'fly' cannot be chosen here"):
        played.session.choose("fly")


def test_what_was_shown_before_the_agent_thought_is_done_though_the_options_changed() -> None:
    played = begin()
    shown = played.session.state.options[3].action
    played.session.propose()
    assert shown not in [option.action for option in played.session.state.options]
    turn = played.session.choose(shown, turn=0).episode.turns[0]
    assert (turn.executed.action, turn.decision) == (shown, Decision.CHOOSE)


def test_a_choice_for_an_earlier_turn_is_refused() -> None:
    played = begin()
    played.session.step()
    with pytest.raises(UsageError, match="too late"):
        played.session.choose("look", turn=0)
    assert len(played.session.state.episode.turns) == 1


def test_an_unsubscribed_callback_is_not_called_again() -> None:
    played = begin()
    told: list[SessionEvent] = []
    stop = played.session.subscribe(told.append)
    played.session.step()
    count = len(told)
    stop()
    played.session.step()
    assert count
    assert len(told) == count


def test_the_session_loads_neither_torch_nor_textual() -> None:
    code = (
        "import sys, oreo_agent.session, oreo_agent.episodes;"
        "print([m for m in ('torch', 'textual', 'transformers', 'alfworld') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_lost_episode_is_not_a_success() -> None:
    played = begin()
    step = played.env.step

    def lose(action: str) -> StepResult:
        result = step(action)
        return StepResult(
            observation=result.observation,
            reward=0.0,
            terminated=True,
            truncated=False,
            info={"won": False},
        )

    played.env.step = lose  # type: ignore[method-assign]
    state = played.session.step()
    assert state.over
    assert state.episode.outcome is Outcome.HORIZON
    assert state.episode.ret == 0.0
