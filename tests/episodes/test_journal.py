from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oreo_agent.episodes import (
    Actor,
    Episode,
    EpisodeFormatError,
    EpisodeStore,
    Executed,
    Journal,
    Outcome,
    Turn,
    ValueEstimate,
    discard_journal,
    fold_journal,
    pending_journals,
    recover_journal,
)
from oreo_agent.errors import RunFailedError


def header(name: str = "live") -> Episode:
    return Episode(
        id=name,
        env="scripted",
        task="kitchen",
        goal="a mug",
        outcome=Outcome.UNFINISHED,
        turns=(),
        final_observation="room 0",
    )


def turn(n: int) -> Turn:
    executed = Executed(message=f"act {n}", action=f"act {n}", actor=Actor.HUMAN)
    return Turn(observation=f"room {n}", executed=executed)


def play(folder: Path, turns: int, *, name: str = "live") -> Path:
    journal = Journal(folder, header(name))
    for n in range(turns):
        journal.append(turn(n), f"room {n + 1}")
    journal.close()
    return journal.path


def test_a_journal_without_an_end_is_an_unfinished_episode(tmp_path: Path) -> None:
    episode = recover_journal(play(tmp_path, 3))
    assert episode.outcome is Outcome.UNFINISHED
    assert episode.turns == tuple(turn(n) for n in range(3))
    assert episode.final_observation == "room 3"


def test_the_end_line_keeps_the_outcome(tmp_path: Path) -> None:
    journal = Journal(tmp_path, header())
    journal.append(turn(0), None)
    journal.end(Outcome.ERROR, "environment: crashed")
    journal.close()
    episode = recover_journal(journal.path)
    assert (episode.outcome, episode.error) == (Outcome.ERROR, "environment: crashed")
    assert episode.final_observation is None


def test_a_session_that_did_nothing_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, header())
    journal.end(Outcome.UNFINISHED)
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_journal import header, turn
from oreo_agent.episodes import Journal
journal = Journal(Path(sys.argv[1]), header())
n = 0
while True:
    journal.append(turn(n), f"room {n + 1}")
    n += 1
    print(n, flush=True)  # Shown only now.
"""


def test_kill_9_loses_no_turn_that_was_shown(tmp_path: Path) -> None:
    for wanted in (1, 7, 23):
        folder = tmp_path / str(wanted)
        here = str(Path(__file__).parent)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), here], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            shown = 0
            while shown < wanted:
                shown = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
            shown = max([shown, *map(int, process.stdout.read().split())])
        (pending,) = pending_journals(folder)
        assert len(pending.episode.turns) >= shown
        assert pending.episode.turns == tuple(turn(n) for n in range(len(pending.episode.turns)))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_journal_torn_at_any_byte_keeps_every_whole_turn_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    path = play(folder, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    cut = data.draw(st.integers(1, len(lines[-1]) - 2))
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
    said: list[str] = []
    (pending,) = pending_journals(folder, on_notice=said.append)
    assert pending.episode.turns == (turn(0), turn(1))
    assert "torn" in said[0]
    assert (folder / f"{path.name}.torn").read_bytes() == lines[-1][:cut] + b"\n"


def test_a_session_that_is_still_played_is_not_offered(tmp_path: Path) -> None:
    journal = Journal(tmp_path, header())
    journal.append(turn(0), "room 1")
    assert pending_journals(tmp_path) == []
    journal.close()
    assert [p.path for p in pending_journals(tmp_path)] == [journal.path]


def test_a_journal_that_cannot_be_read_is_said_and_left_where_it_is(tmp_path: Path) -> None:
    bad = tmp_path / "bad.journal"
    bad.write_text('{"line":"header","schema":1}\n')
    play(tmp_path, 1)
    said: list[str] = []
    assert len(pending_journals(tmp_path, on_notice=said.append)) == 1
    assert "bad.journal:1" in said[0]
    assert bad.exists()


def test_a_journal_without_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_text('{"line":"end","outcome":"success"}\n')
    with pytest.raises(EpisodeFormatError, match="no header"):
        recover_journal(path)


def test_folding_moves_the_episode_into_the_store_once(tmp_path: Path) -> None:
    path = play(tmp_path / "journals", 2)
    copy = path.read_bytes()
    store = EpisodeStore(tmp_path / "store")
    episode = fold_journal(path, store)
    assert not path.exists()
    path.write_bytes(copy)  # As after a crash between the two steps.
    fold_journal(path, store)
    assert list(store) == [episode]


def test_a_turn_that_could_not_be_written_is_written_with_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    folder.write_text("a file where the folder should be")
    journal = Journal(folder, header())
    with pytest.raises(RunFailedError, match="cannot be written"):
        journal.append(turn(0), "room 1")
    folder.unlink()
    journal.append(turn(1), "room 2")
    journal.close()
    assert recover_journal(journal.path).turns == (turn(0), turn(1))


def test_a_journal_of_an_ended_episode_is_offered_only_once_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, header())
    journal.append(turn(0), "room 1")
    journal.end(Outcome.HORIZON)
    assert pending_journals(tmp_path) == []
    with pytest.raises(RunFailedError, match="in use elsewhere"):
        fold_journal(journal.path, EpisodeStore(tmp_path / "store"))
    with pytest.raises(RunFailedError, match="in use elsewhere"):
        discard_journal(journal.path)
    journal.close()
    assert len(pending_journals(tmp_path)) == 1


def test_a_journal_that_was_folded_elsewhere_meanwhile_is_done(tmp_path: Path) -> None:
    path = play(tmp_path / "journals", 2)
    store = EpisodeStore(tmp_path / "store")
    assert fold_journal(path, store) is not None
    assert fold_journal(path, store) is None
    discard_journal(path)
    assert len(store) == 1


def test_an_estimate_that_is_no_number_does_not_spoil_the_journal(tmp_path: Path) -> None:
    value = ValueEstimate(value=float("nan"), model="m")
    copied = msgspec.structs.replace(turn(0), value=value)
    journal = Journal(tmp_path, msgspec.structs.replace(header(), turns=(copied,)))
    journal.append(msgspec.structs.replace(turn(1), value=value), "room 2")
    journal.close()
    assert recover_journal(journal.path).turns == (turn(0), turn(1))


def test_a_journal_ends_before_a_turn_that_cannot_be_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, header())
    journal.append(turn(0), "room 1")
    for answer in ("half \ud800", "room 3"):
        with pytest.raises(RunFailedError, match="the journal cannot be written"):
            journal.append(turn(1), answer)
    journal.end(Outcome.HORIZON)
    journal.close()
    episode = recover_journal(journal.path)
    assert (episode.turns, episode.outcome) == ((turn(0),), Outcome.UNFINISHED)


def test_a_branch_that_is_over_as_it_begins_is_in_its_journal(tmp_path: Path) -> None:
    won = msgspec.structs.replace(turn(0), reward=1.0)
    journal = Journal(tmp_path, msgspec.structs.replace(header(), turns=(won,)))
    journal.end(Outcome.SUCCESS)
    journal.close()
    assert recover_journal(journal.path).outcome is Outcome.SUCCESS


def test_the_last_note_is_in_the_journal_and_one_without_turns_leaves_no_file(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, msgspec.structs.replace(header(), note="as it began"))
    journal.note("before the first turn")
    assert list(tmp_path.iterdir()) == []
    journal.append(turn(0), "room 1")
    assert recover_journal(journal.path).note == "before the first turn"
    journal.note("it looks \x1b[31m in vain")
    assert recover_journal(journal.path).note == "it looks \x1b[31m in vain"
    journal.note(None)
    journal.close()
    assert recover_journal(journal.path).note is None
