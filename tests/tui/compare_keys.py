"""What each key of the comparison does."""

from __future__ import annotations

from oreo_agent.tui.comparison import recorded
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from tests.tui.compared import Shown, episodes, head_to_head
from tests.tui.key_table import pair
from tests.tui.scripted_world import ScriptedEnv


async def begun(shown: Shown) -> None:
    """Show two episodes that differ in two places, at the first of them."""
    shown.app.switch_mode("replay")
    await shown.wait(lambda: shown.app.current_mode == "replay")
    while len(shown.app.screen_stack) > 1:
        shown.app.pop_screen()
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))
    left, right = episodes()
    screen = CompareScreen((recorded(left), recorded(right)), shown.services, is_guest=True)
    shown.app.push_screen(screen)
    await shown.wait(lambda: shown.app.screen is screen and "- turn 3" in shown.status)


@pair("compare.next-difference", "compare.difference-before", all_at_once=True)
async def _(shown: Shown, key: str) -> None:
    await shown.press("n")
    await shown.wait(lambda: "+ turn 5" in shown.status)
    await shown.press("N")
    await shown.wait(lambda: "- turn 3" in shown.status)


@pair("compare.previous", "comparison.previous")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "- turn 2 · + turn 2" in shown.status)


@pair("compare.next", "comparison.next")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "- turn 4 · + no turn" in shown.status)


@pair("compare.first", "comparison.first")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "- turn 0 · + turn 0" in shown.status)


@pair("compare.last", "comparison.last")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: "- turn 7 · + turn 7" in shown.status)


@pair("compare.]", "compare.[", all_at_once=True)
async def _(shown: Shown, key: str) -> None:
    await shown.press("0", "right_square_bracket")
    await shown.wait(lambda: "turn of a person 1 of 2" in shown.status)
    await shown.press("right_square_bracket", "left_square_bracket")
    await shown.wait(lambda: "+ turn 3" in shown.status)


@pair("compare.rescore")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key, "1")
    await shown.wait(lambda: "values of model" in shown.status)


@pair("compare.swap")
async def _(shown: Shown, key: str) -> None:
    await shown.press("n", key)
    titles = shown.screen.query_one("#titles")
    await shown.wait(lambda: "- bbbb" in str(titles.render()))


@pair("compare.copy")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: shown.app.clipboard.startswith("- open drawer 2\nYou open"))
    assert "\n+ go to sinkbasin 1\nOn the" in shown.app.clipboard


@pair("compare.detail")
async def _(shown: Shown, key: str) -> None:
    rows = shown.screen.query_one("#comparison")
    before = rows.virtual_size.height
    await shown.press(key)
    await shown.wait(lambda: rows.virtual_size.height > before)
    await shown.press(key, key)
    await shown.wait(lambda: rows.virtual_size.height == before)


@pair("compare.retry")
async def _(shown: Shown, key: str) -> None:
    env = ScriptedEnv()
    env.breaks_on = "open drawer 2"
    screen = CompareScreen(head_to_head(env=env), shown.services)
    shown.app.push_screen(screen)
    await shown.wait(lambda: screen.broken is not None)
    env.breaks_on = None
    await shown.press(key)
    await shown.wait(lambda: screen.is_settled and "the same actions" in shown.status)
    assert screen.broken is None


@pair("compare.back")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))


@pair("replay.mark")
async def _(shown: Shown, key: str) -> None:
    await shown.press("escape")
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen) and shown.status)
    await shown.wait(lambda: "2 of 2" in shown.status)
    await shown.press(key, "down", key)
    await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))


@pair("episode.beside")
async def _(shown: Shown, key: str) -> None:
    await shown.press("escape")
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))
    await shown.wait(lambda: "2 of 2" in shown.status)
    await shown.press("enter")
    await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen) and shown.status)
    await shown.press(key)
    await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))


@pair("app.compare")
async def _(shown: Shown, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: shown.app.screen is shown.app.main)
