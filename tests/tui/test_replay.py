from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from oreo_agent.episodes import EpisodeFormatError, EpisodeStore, Outcome
from oreo_agent.episodes.catalog import check_catalog, read_catalog
from oreo_agent.errors import MissingError
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.plain import run_plain_play, run_plain_replay
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.state_rows import state_views
from oreo_agent.tui.widgets.episode_list import EpisodeList
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.status import StatusLine
from tests.tui.replay_screen import record
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services, session_factory


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return record(tmp_path / "episodes")


@asynccontextmanager
async def replay(store: Path, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[None]]:
    services = scripted_services(store.parent)
    app = OreoApp(services, read_entries=lambda: read_catalog([store]), where="episodes")
    async with app.run_test(size=size) as pilot:
        await wait(pilot, lambda: isinstance(app.screen, ReplayScreen))
        await wait(pilot, lambda: app.screen.query_one(EpisodeList).selected)
        yield pilot


async def wait(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    for _ in range(2000):
        await pilot.pause(0.005)
        if condition():
            return
    raise AssertionError("the condition never came true")


def status(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(StatusLine).render())


def cursor(pilot: Pilot[None]) -> int:
    return pilot.app.screen.query_one(EpisodePane).cursor


async def test_the_list_shows_every_episode_and_enter_opens_one(store: Path) -> None:
    async with replay(store) as pilot:
        assert "2 of 2 episodes" in status(pilot)
        await pilot.press("enter")
        await wait(pilot, lambda: isinstance(pilot.app.screen, EpisodeScreen))
        await wait(pilot, lambda: "turn 0/7" in status(pilot))
        assert "✓ won" in status(pilot)


async def test_l_and_h_step_with_the_value_of_each_state(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("enter", "l")
        await wait(pilot, lambda: "turn 1/7 · V 0.30 A ▲+.12" in status(pilot))
        await pilot.press("right", "h")
        await wait(pilot, lambda: cursor(pilot) == 1)
        await pilot.press("dollar_sign")
        await wait(pilot, lambda: "turn 7/7 · A ▲+.27 r 1" in status(pilot))
        await pilot.press("escape")
        await wait(pilot, lambda: isinstance(pilot.app.screen, ReplayScreen))


async def test_another_episode_starts_at_its_first_turn(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("enter", "l", "l", "L")
        await wait(pilot, lambda: "turn 0/3" in status(pilot))
        await pilot.press("L", "H")
        await wait(pilot, lambda: "turn 0/7" in status(pilot))


async def test_a_bracket_goes_to_the_next_turn_by_a_person(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("down", "enter", "right_square_bracket")
        await wait(pilot, lambda: cursor(pilot) == 2)


async def test_space_plays_to_the_end_and_stops(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("enter", "plus", "plus", "plus", "space")
        await wait(pilot, lambda: "playing" in status(pilot))
        await wait(pilot, lambda: cursor(pilot) == 7 and "playing" not in status(pilot))


async def test_the_filter_narrows_the_list(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("slash", *"by:human")
        await wait(pilot, lambda: "1 of 2 episodes" in status(pilot))
        await pilot.press("enter", "enter")
        await wait(pilot, lambda: "turn 0/3" in status(pilot))
        await pilot.press("escape", "escape")
        await wait(pilot, lambda: "2 of 2 episodes" in status(pilot))


async def test_a_filter_without_matches_says_how_to_get_back(store: Path) -> None:
    async with replay(store) as pilot:
        await pilot.press("slash", *"won:yes heat")
        await wait(pilot, lambda: "0 of 2 episodes" in status(pilot))
        assert "esc shows all" in pilot.app.screen.query_one(EpisodeList).render_line(0).text


def test_a_path_that_cannot_be_shown_is_an_error_before_the_screen(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        check_catalog([tmp_path / "none"])
    (tmp_path / "bad.jsonl").write_text('{"foreign": 1}\n')
    with pytest.raises(EpisodeFormatError, match=r"bad\.jsonl:1"):
        check_catalog([tmp_path / "bad.jsonl"])
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(EpisodeFormatError, match="no whole episode"):
        check_catalog([tmp_path / "empty.jsonl"])


def test_a_library_of_files_and_folders_loads_what_it_lists(store: Path) -> None:
    entries = list(read_catalog([store / "live.jsonl", store]))
    assert len(entries) == 4
    assert entries[0].load() == entries[2].load()


def test_v_belongs_to_the_state_and_a_to_the_action_that_led_there(store: Path) -> None:
    episode = next(iter(EpisodeStore(store)))
    views = state_views(episode)
    assert len(views) == 8
    values = [turn.value.value for turn in episode.turns if turn.value]
    assert [view.value for view in views] == [*values, None]
    assert views[0].advantage is None
    assert views[1].advantage == pytest.approx(values[1] - values[0])
    assert views[7].advantage == pytest.approx(1.0 - values[6])


def test_an_unfinished_episode_has_no_advantage_at_its_end(store: Path) -> None:
    episode = list(EpisodeStore(store))[1]
    assert episode.outcome is Outcome.UNFINISHED
    assert state_views(episode)[-1].advantage is None


def test_plain_play_writes_one_line_a_step_and_saves(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    env = ScriptedEnv(hostile="\x1b[31m\nnew line\u202e")
    journals = tmp_path / "journals"
    run_plain_play(
        session_factory(env, ScriptedAgent(), journals),
        store=tmp_path / "episodes",
        out=out,
        progress=err,
    )
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + 8 + 1
    assert lines[2].startswith("  1  policy: go to countertop 2  |  V 0.30  A ▲+.12  |  On the")
    assert lines[-1] == "✓ won after 7 turns"
    assert "\x1b" not in out.getvalue()
    assert err.getvalue() == "Loading scripted-1 ...\n"
    assert len(EpisodeStore(tmp_path / "episodes")) == 1
    assert list(journals.iterdir()) == []
    assert env.is_closed


def test_plain_replay_writes_what_plain_play_wrote(store: Path) -> None:
    out = io.StringIO()
    run_plain_replay([store], out=out)
    lines = out.getvalue().splitlines()
    assert len([line for line in lines if line.startswith("episode ")]) == 2
    assert "  2  human: look  |  " in out.getvalue()
    assert "… unfinished after 3 turns" in lines


def test_plain_replay_shows_no_control_characters_of_a_file(tmp_path: Path, store: Path) -> None:
    episode = next(iter(EpisodeStore(store)))
    hostile = msgspec.structs.replace(episode, id="\x1b]0;pwn\x07id", error="\x1b[2Jerror")
    EpisodeStore(tmp_path / "hostile").append(hostile)
    out = io.StringIO()
    run_plain_replay([tmp_path / "hostile"], out=out)
    assert "\x1b" not in out.getvalue()
    assert "episode id  goal" in out.getvalue()


async def test_reload_of_a_place_that_cannot_be_read_is_said_and_no_crash(store: Path) -> None:
    async with replay(store) as pilot:
        (store / "live.jsonl").unlink()
        (store / "live.jsonl").mkdir()
        await pilot.press("R")
        await wait(pilot, lambda: "0 of 0 episodes" in status(pilot))


def test_plain_output_survives_a_narrow_encoding(store: Path) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    run_plain_replay([store], out=out)
    assert b"? won after 7 turns" in raw.getvalue()
