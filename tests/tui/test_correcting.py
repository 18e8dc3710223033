"""Correcting a recorded episode on the screen, and the review before it is saved."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from textual.widgets import Input

from oreo_agent.episodes import Actor, EpisodeStore, Outcome, PendingJournal, pending_journals
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.agents import AgentScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.review import ReviewScreen, review_rows
from oreo_agent.tui.widgets.status import ErrorCard
from tests.tui.live_screen import screen
from tests.tui.replay_screen import record, replay
from tests.tui.scripted_world import ScriptedEnv


async def test_a_record_is_corrected_from_its_largest_drop_and_saved_beside_it(
    tmp_path: Path,
) -> None:
    store = record(tmp_path / "episodes")
    original = (store / "live.jsonl").read_bytes()
    async with replay(store) as shown:
        await shown.opened()
        await shown.press("d")
        await shown.wait(lambda: shown.cursor == 2 and "open drawer 2 A ▼-.05" in shown.status)
        await shown.press("c")
        await shown.corrected(2)
        await shown.press("t", *"sink", "tab", "enter")
        await shown.corrected(3)
        await shown.press("plus", "plus", "plus", "r")
        await shown.wait(lambda: shown.live.state and shown.live.state.over)
        await shown.press("s")
        await shown.wait(lambda: isinstance(shown.app.screen, ReviewScreen))
        await shown.press("s")
        await shown.wait(lambda: "1 saved to" in shown.status)
        await shown.press("escape")
        await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))
        await shown.press("escape")
        await shown.wait(lambda: "3 of 3 episodes" in shown.status)
    assert (store / "live.jsonl").read_bytes().startswith(original)
    parent, _, child = EpisodeStore(store)
    assert (child.parent, child.fork_turn) == (parent.id, 2)
    assert (child.outcome, len(child.turns)) == (Outcome.SUCCESS, 6)
    assert [turn.executed.actor for turn in child.turns].count(Actor.HUMAN) == 1
    assert pending_journals(tmp_path / "journals") == []


async def test_a_game_that_answers_otherwise_is_not_corrected_and_the_card_says_where(
    tmp_path: Path,
) -> None:
    store = record(tmp_path / "episodes")
    env = ScriptedEnv(goal="clean a mug", hostile=" (another version)")
    async with replay(store, env=env) as shown:
        await shown.opened()
        await shown.press("l", "l", "c")
        await shown.wait(lambda: shown.app.screen.query(ErrorCard))
        card = shown.app.screen.query_one(ErrorCard)
        await shown.wait(lambda: "answers otherwise" in str(card.render()))
        assert "at turn 0" in str(card.render())
        assert shown.live.state is None
        env.hostile = ""
        await shown.press("R")
        await shown.corrected(2)


async def test_an_episode_that_is_over_is_corrected_from_an_earlier_turn_only(
    tmp_path: Path,
) -> None:
    async with replay(record(tmp_path / "episodes")) as shown:
        await shown.opened()
        await shown.press("$", "c")
        await shown.wait(lambda: "select an earlier turn" in shown.status)
        assert isinstance(shown.app.screen, EpisodeScreen)


async def name_checkpoint(app: OreoApp, folder: Path) -> None:
    screen = app.screen
    assert isinstance(screen, AgentScreen)
    screen.query_one(Input).value = str(folder)


async def corrected_and_left(folder: Path) -> list[PendingJournal]:
    async with replay(record(folder / "episodes")) as shown:
        await shown.opened()
        await shown.press("l", "c")
        await shown.corrected(1)
        await shown.press("2")
        await shown.corrected(2)
        await shown.press("q")
    return pending_journals(folder / "journals")


async def test_a_correction_that_was_left_is_offered_and_goes_on_in_the_replay(
    tmp_path: Path,
) -> None:
    (pending,) = await corrected_and_left(tmp_path)
    async with replay(tmp_path / "episodes", pending=[pending]) as shown:
        await shown.wait(lambda: isinstance(shown.app.screen, RecoverScreen))
        await shown.press("c")
        await shown.corrected(2)
        state = shown.live.state
        assert state is not None
        assert state.episode.parent == pending.episode.id
        await shown.press("s", "s")
        await shown.wait(lambda: "saved to" in shown.status)
    assert pending.episode.id in EpisodeStore(tmp_path / "episodes")
    assert list((tmp_path / "journals").iterdir()) == []


async def test_a_model_that_cannot_be_loaded_is_said_and_the_episode_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    async with replay(record(tmp_path / "episodes")) as shown:
        await shown.opened()
        await shown.press("m")
        await name_checkpoint(shown.app, tmp_path / "empty")
        await shown.press("1")
        await shown.wait(lambda: "not scored: empty: no model in it" in shown.status)
        await shown.press("l")
        await shown.wait(lambda: "V 0.30" in shown.status)


async def test_a_jump_to_a_drop_says_whether_values_are_missing_or_under_way(
    tmp_path: Path,
) -> None:
    (recorded, *_) = EpisodeStore(record(tmp_path / "seen"))
    turns = [msgspec.structs.replace(t, value=None, candidates=()) for t in recorded.turns]
    with EpisodeStore(tmp_path / "episodes").writer("bare") as writer:
        writer.append(msgspec.structs.replace(recorded, turns=tuple(turns)))
    gate = threading.Event()
    async with replay(tmp_path / "episodes", gate=gate) as shown:
        await shown.opened()
        await shown.press("d")
        await shown.wait(lambda: "m scores the episode with one" in shown.status)
        await shown.press("m", "1", "d")
        await shown.wait(lambda: "still at work" in shown.status)
        gate.set()
        await shown.wait(lambda: "values of" in shown.status)
        await shown.press("d")
        await shown.wait(lambda: "still" not in shown.status and "values" not in shown.status)


async def test_the_review_says_where_it_branched_who_acted_and_what_it_was_worth(
    tmp_path: Path,
) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        for turns in (1, 2, 3):
            await shown.pilot.press("space")
            await shown.ready(turns)
        old = shown.state.episode.id
        await shown.pilot.press("h", "u")
        await shown.ready(2)
        for turns in (3, 4, 5):
            await shown.pilot.press("2")
            await shown.ready(turns)
        await shown.pilot.press("s")
        await shown.wait(lambda: isinstance(shown.app.screen, ReviewScreen))
        assert dict(review_rows(shown.state)) == {
            "parent": f"{old}  … unfinished, 3 turns",
            "fork turn": "2: the turns up to there are its parent's",
            "human turns": "3: 3-5",
            "outcome": "… unfinished, 5 turns",
            "value before": "V 0.42, after turn 2",
            "value after": "V 0.44",
        }
        assert "1 more that no store has yet" in shown.text()


async def test_what_is_discarded_is_not_offered_again(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        await shown.pilot.press("s", "d")
        await shown.wait(lambda: "discarded" in shown.status)
        assert not shown.store.exists()
        await shown.pilot.press("g")
        await shown.ready(0)
    assert pending_journals(tmp_path / "journals") == []


async def test_there_is_nothing_to_review_before_the_first_turn(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("s")
        await shown.wait(lambda: "nothing to save" in shown.status)


async def test_another_agent_is_loaded_behind_a_line_and_plays_on(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        await shown.pilot.press("a", "2")
        await shown.wait(lambda: shown.state.agent == "model-sampled")
        await shown.ready(1)
        assert shown.state.episode.fork_turn == 1
        assert "model-sampled plays on" in shown.status


async def test_an_agent_that_cannot_be_loaded_leaves_the_old_one_at_play(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("a")
        await name_checkpoint(shown.app, tmp_path / "none")
        await shown.pilot.press("1")
        await shown.wait(lambda: "none: no model in it. Name another." in shown.toasts)
        assert shown.state.agent == "scripted-1"
        await shown.pilot.press("space")
        await shown.ready(1)


async def test_a_note_is_shown_in_the_review_kept_when_it_is_left_and_read_in_the_replay(
    tmp_path: Path,
) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        await shown.pilot.press("s", "e", *"it [b]strays[/b]", "enter")
        await shown.wait(lambda: "it [b]strays[/b]" in shown.text())
        await shown.pilot.press("escape")
        await shown.wait(lambda: shown.app.screen is shown.live)
        (journal,) = (tmp_path / "journals").iterdir()
        assert b"it [b]strays[/b]" in journal.read_bytes()
        await shown.pilot.press("s", "e", *" away", "enter", "s")
        await shown.wait(lambda: shown.state.unsaved == 0)
        await shown.pilot.press("f3")
        await shown.wait(lambda: "1 of 1 episodes" in shown.text())
        await shown.pilot.press("enter")
        await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))
        await shown.wait(lambda: "note: it [b]strays[/b] away" in shown.text())
    (episode,) = EpisodeStore(shown.store)
    assert episode.note == "it [b]strays[/b] away"
