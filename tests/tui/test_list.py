"""The list of episodes on the screen: it draws only what is seen."""

from __future__ import annotations

from pathlib import Path

import msgspec

from oreo_agent.episodes import EpisodeStore
from oreo_agent.tui.screens.replay import ReplayScreen
from tests.tui.replay_screen import record, replay


async def test_what_is_typed_while_the_list_is_read_goes_to_the_filter(tmp_path: Path) -> None:
    async with replay(record(tmp_path / "episodes")) as shown:
        screen = shown.app.screen
        assert isinstance(screen, ReplayScreen)
        # The keyboard is the filter's when the action ends, not when the app is next at leisure.
        screen.action_filter()
        assert screen.focused is screen.query_one("#filter")
        screen.action_clear()
        assert screen.focused is shown.list


async def test_the_end_of_a_long_list_is_reached_filtered_and_opened(tmp_path: Path) -> None:
    source = EpisodeStore(record(tmp_path / "source"))
    won, unfinished = source
    store = EpisodeStore(tmp_path / "episodes")
    with store.writer("many") as writer:
        for number in range(1200):
            writer.append(msgspec.structs.replace(won, id=f"{number:04}", goal=f"goal {number}"))
        writer.append(unfinished)
    async with replay(store.path) as shown:
        await shown.wait(lambda: "1201 of 1201 episodes" in shown.status)
        await shown.press("end")
        await shown.wait(lambda: shown.list.cursor == 1200)
        assert "heat a potato" in shown.list.render_line(shown.list.size.height - 1).text
        await shown.press("home", "slash", *"goal 77")
        await shown.wait(lambda: "21 of 1201 episodes" in shown.status)
        await shown.press("enter", "down", "enter")
        await shown.wait(lambda: "turn 0/7" in shown.status and "0177" in shown.status)
