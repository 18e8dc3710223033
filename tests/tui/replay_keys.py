"""What each key of the replay does."""

from __future__ import annotations

from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from tests.tui.key_table import keys, look
from tests.tui.replay_screen import Replay


async def listed(shown: Replay) -> None:
    if isinstance(shown.app.screen, EpisodeScreen):
        shown.app.screen.dismiss()
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))


async def opened(shown: Replay) -> None:
    await listed(shown)
    await shown.opened()


@look("episode.play")
async def _(shown: Replay, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "playing" in shown.status)
    await shown.press(key)
    await shown.wait(lambda: "playing" not in shown.status)


@look("episode.correct", "live.back", all_at_once=True)
async def _(shown: Replay, key: str) -> None:
    await shown.press("l", "l", "c")
    await shown.corrected(2)
    assert shown.live.state is not None
    assert shown.live.state.episode.fork_turn == 2
    await shown.press("escape")
    await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))


@look("episode.rescore")
async def _(shown: Replay, key: str) -> None:
    await shown.press(key, "1")
    await shown.wait(lambda: "V 0.28" in shown.status and "values of model" in shown.status)


@look("episode.before", "episode.after", all_at_once=True)
async def _(shown: Replay, key: str) -> None:
    await shown.press("L")
    await shown.wait(lambda: "turn 0/3" in shown.status)
    await shown.press("H")
    await shown.wait(lambda: "turn 0/7" in shown.status)


@look("episode.faster", "episode.slower")
async def _(shown: Replay, key: str) -> None:
    await shown.press("space")
    await shown.wait(lambda: "x2" in shown.status)
    await shown.press(key)
    await shown.wait(lambda: ("x4" if key in keys("episode.faster") else "x1") in shown.status)


@look("episode.back")
async def _(shown: Replay, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))


@look("replay.open")
async def _(shown: Replay, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))


@look("replay.filter", "replay.clear", all_at_once=True)
async def _(shown: Replay, key: str) -> None:
    await shown.press("slash", *"by:human")
    await shown.wait(lambda: "1 of 2 episodes" in shown.status)
    await shown.press("escape")
    await shown.wait(lambda: "2 of 2 episodes" in shown.status)


@look("replay.order")
async def _(shown: Replay, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "newest first" in shown.status)
    await shown.press(key, key, key)
    await shown.wait(lambda: "first" not in shown.status)


@look(
    *("replay.down", "replay.up", "list.down", "list.up", "list.page-down", "list.page-up"),
    *("list.first", "list.last"),
)
async def _(shown: Replay, key: str) -> None:
    is_down = key in ("j", "down", "pagedown", "end")
    shown.list.seek(0 if is_down else 1)
    await shown.press(key)
    await shown.wait(lambda: shown.list.cursor == (1 if is_down else 0))


@look("replay.reload")
async def _(shown: Replay, key: str) -> None:
    kept = (shown.store / "live.jsonl").read_bytes()
    (shown.store / "live.jsonl").write_bytes(kept.splitlines(keepends=True)[0])
    await shown.press(key)
    await shown.wait(lambda: "1 of 1 episodes" in shown.status)
    (shown.store / "live.jsonl").write_bytes(kept)
    await shown.press(key)
    await shown.wait(lambda: "2 of 2 episodes" in shown.status)
