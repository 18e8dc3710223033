"""Journals and stores of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from oreo_agent.episodes import EpisodeStore, Outcome, pending_journals
from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.session import DivergedError, EventKind, Session, SessionEvent
from tests.session.playing import begin
from tests.tui.scripted_world import ROUTE, ScriptedAgent, ScriptedEnv


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


def test_a_journal_of_the_session_reads_back_as_its_episode(tmp_path: Path) -> None:
    played = begin(tmp_path)
    while not played.session.state.over:
        played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path)
    assert pending.episode == played.session.state.episode


def test_a_note_is_saved_with_the_episode_and_survives_a_crash_before(tmp_path: Path) -> None:
    played = begin(tmp_path / "journals")
    played.session.note("  strays\n at the\tdrawer \udcff ")
    played.session.step()
    played.session.close()
    (pending,) = pending_journals(tmp_path / "journals")
    assert pending.episode.note == "strays at the drawer ?"
    assert EventKind.NOTED in played.kinds


def test_a_note_is_of_its_episode_and_not_of_the_branch(tmp_path: Path) -> None:
    session = begin(tmp_path / "journals").session
    session.step()
    session.note("strays")
    session.undo_to(0)
    assert session.state.episode.note is None
    session.step()
    session.note("better")
    session.note("")
    assert session.state.episode.note is None
    store = EpisodeStore(tmp_path / "store")
    session.save(store)
    assert [episode.note for episode in store] == ["strays", None]


def test_what_is_saved_gets_no_note_any_more(tmp_path: Path) -> None:
    session = begin(tmp_path / "journals").session
    session.step()
    session.save(EpisodeStore(tmp_path / "store"))
    with pytest.raises(UsageError, match="saved already"):
        session.note("too late")
