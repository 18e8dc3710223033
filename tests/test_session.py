from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from oreo_agent.envs.api import StepResult
from oreo_agent.episodes import (
    Actor,
    Decision,
    Episode,
    EpisodeStore,
    Outcome,
    pending_journals,
)
from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.session import DivergedError, EventKind, Session, SessionEvent
from tests.tui.scripted_world import BANNER, ROUTE, ScriptedAgent, ScriptedEnv


@dataclass
class Played:
    session: Session
    env: ScriptedEnv
    agent: ScriptedAgent
    events: list[SessionEvent] = field(default_factory=list)

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]


def begin(journals: Path | None = None, *, start: bool = True) -> Played:
    env, agent = ScriptedEnv(), ScriptedAgent()
    session = Session(
        env=env, agent=agent, task="kitchen/clean-mug", split="train", seed=1, journals=journals
    )
    played = Played(session, env, agent)
    session.subscribe(played.events.append)
    if start:
        session.start()
    return played


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


def test_what_a_person_typed_can_be_written(tmp_path: Path) -> None:
    played = begin(tmp_path / "journals")
    state = played.session.take_over("look \udcff")
    assert state.episode.turns[0].executed.action == "look ?"
    assert EventKind.NOTICE not in played.kinds
    assert played.session.save(EpisodeStore(tmp_path / "store")) == 1


def test_an_open_sessions_journals_are_offered_nowhere_even_after_their_end(
    tmp_path: Path,
) -> None:
    played = begin(tmp_path)
    while not played.session.state.over:
        played.session.step()
    assert pending_journals(tmp_path) == []
    played.session.undo_to(3)
    played.session.step()
    assert len(list(tmp_path.iterdir())) == 2
    assert pending_journals(tmp_path) == []
    played.session.close()
    assert len(pending_journals(tmp_path)) == 2


def test_a_continued_journal_is_saved_and_retired_with_its_branch(tmp_path: Path) -> None:
    played = begin(tmp_path / "journals")
    played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path / "journals")
    other = Session(env=ScriptedEnv(), agent=ScriptedAgent(), journals=tmp_path / "journals")
    other.resume(pending.episode, journal=pending.path)
    assert pending_journals(tmp_path / "journals") == []
    other.step()
    store = EpisodeStore(tmp_path / "store")
    assert other.save(store) == 2
    assert list((tmp_path / "journals").iterdir()) == []
    parent, child = store
    assert parent == pending.episode
    assert child.parent == parent.id


def test_a_continued_journal_whose_episode_is_in_the_store_is_not_saved_twice(
    tmp_path: Path,
) -> None:
    played = begin(tmp_path / "journals")
    played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path / "journals")
    store = EpisodeStore(tmp_path / "store")
    store.append(pending.episode)  # as after a crash before the journal was deleted
    other = begin(start=False).session
    other.resume(pending.episode, journal=pending.path)
    other.step()
    other.save(store)
    assert len({episode.id for episode in store}) == len(store) == 2


def test_a_journal_in_use_elsewhere_is_not_continued(tmp_path: Path) -> None:
    played = begin(tmp_path)
    played.session.step()
    (path,) = tmp_path.iterdir()
    with pytest.raises(RunFailedError, match="in use elsewhere"):
        begin(start=False).session.resume(played.session.state.episode, journal=path)


def test_a_continuation_that_fails_lets_go_of_the_journal(tmp_path: Path) -> None:
    played = begin(tmp_path)
    played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path)
    other = begin(start=False)
    other.env.hostile = "!"
    with pytest.raises(DivergedError):
        other.session.resume(pending.episode, journal=pending.path)
    assert len(pending_journals(tmp_path)) == 1


def test_saving_twice_leaves_each_id_once_though_the_index_cannot_be_written(
    tmp_path: Path,
) -> None:
    played = begin(tmp_path / "journals")
    played.session.step()
    store = EpisodeStore(tmp_path / "store")
    (tmp_path / "store" / "x.jsonl").mkdir(parents=True)
    (tmp_path / "store" / "index.json").mkdir()
    assert played.session.save(store) == 1
    assert played.session.save(store) == 0
    assert len(store) == 1


def test_saving_writes_every_branch_and_deletes_the_journals(tmp_path: Path) -> None:
    played = begin(tmp_path / "journals")
    for _ in range(3):
        played.session.step()
    played.session.undo_to(1)
    played.session.step()
    assert len(list((tmp_path / "journals").iterdir())) == 2
    store = EpisodeStore(tmp_path / "store")
    assert played.session.save(store) == 2
    assert played.session.save(store) == 0
    assert list((tmp_path / "journals").iterdir()) == []
    parent, child = store.read()
    assert (parent.outcome, len(parent.turns)) == (Outcome.UNFINISHED, 3)
    assert (child.parent, child.fork_turn, len(child.turns)) == (parent.id, 1, 2)
    assert played.session.state.unsaved == 0


def test_playing_on_after_a_save_goes_to_a_branch_and_never_edits_the_record(
    tmp_path: Path,
) -> None:
    played = begin(tmp_path / "journals")
    played.session.step()
    store = EpisodeStore(tmp_path / "store")
    played.session.save(store)
    played.session.step()
    played.session.save(store)
    first, second = store.read()
    assert len(first.turns) == 1
    assert (second.parent, second.fork_turn, len(second.turns)) == (first.id, 1, 2)
    assert second.turns[0] == first.turns[0]


def test_a_store_that_cannot_be_written_keeps_the_journal(tmp_path: Path) -> None:
    played = begin(tmp_path / "journals")
    played.session.step()
    (tmp_path / "store").write_text("a file")
    with pytest.raises(RunFailedError, match="cannot be written"):
        played.session.save(EpisodeStore(tmp_path / "store"))
    played.session.close()
    assert len(pending_journals(tmp_path / "journals")) == 1


def test_leaving_without_saving_keeps_the_journal_and_another_session_goes_on(
    tmp_path: Path,
) -> None:
    played = begin(tmp_path)
    for _ in range(2):
        played.session.step()
    played.session.close()
    assert played.env.is_closed
    (pending,) = pending_journals(tmp_path)
    other = begin(start=False)
    state = other.session.resume(pending.episode)
    assert (state.episode.parent, state.episode.fork_turn) == (pending.episode.id, 2)
    assert other.session.take_over(ROUTE[2][0]).episode.final_observation == ROUTE[2][1]


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


def test_a_turn_is_in_the_journal_before_anybody_is_told(tmp_path: Path) -> None:
    played = begin(tmp_path)
    on_disk: list[int] = []

    def look(event: SessionEvent) -> None:
        if event.kind is EventKind.STEPPED:
            (path,) = tmp_path.glob("*.journal")
            on_disk.append(path.read_bytes().count(b'"line":"turn"'))

    played.session.subscribe(look)
    played.session.step()
    played.session.step()
    assert on_disk == [1, 2]


def test_a_journal_that_cannot_be_written_is_said_and_play_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    folder.write_text("a file")
    played = begin(folder)
    played.session.step()
    assert EventKind.NOTICE in played.kinds
    assert "journal" in next(e for e in played.events if e.kind is EventKind.NOTICE).message
    assert len(played.session.state.episode.turns) == 1
    folder.unlink()
    played.session.step()
    played.session.close()
    (pending,) = pending_journals(folder)
    assert len(pending.episode.turns) == 2


def test_discarding_deletes_the_journals_and_ends_play(tmp_path: Path) -> None:
    played = begin(tmp_path)
    played.session.step()
    played.session.discard()
    assert list(tmp_path.iterdir()) == []
    assert played.session.state.unsaved == 0
    assert played.session.state.over


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


def test_a_journal_of_the_session_reads_back_as_its_episode(tmp_path: Path) -> None:
    played = begin(tmp_path)
    while not played.session.state.over:
        played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path)
    assert pending.episode == played.session.state.episode


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
