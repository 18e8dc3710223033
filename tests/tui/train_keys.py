"""What each key of the screen of a run does."""

from __future__ import annotations

from oreo_agent.tui.screens.replay import ReplayScreen, RunEpisodesScreen
from oreo_agent.tui.screens.train import StopScreen
from oreo_agent.tui.widgets.curve import Curve
from tests.tui.key_table import keys, seen
from tests.tui.train_screen import Watch


async def alone(shown: Watch) -> None:
    """Nothing above the run, which is followed."""
    while shown.app.screen is not shown.train:
        shown.app.pop_screen()
        await shown.pilot.pause()
    shown.train.action_follow()
    await shown.wait(lambda: shown.view.looked_at == "oreo")
    shown.stages.focus()


def curves(shown: Watch) -> list[str]:
    panes = shown.train.query(Curve)
    return [str(pane.border_title) for pane in panes if pane.display]


@seen("train.episodes", "run-episodes.back", all_at_once=True)
async def _(shown: Watch, key: str) -> None:
    await shown.press(*keys("train.episodes"))
    await shown.wait(lambda: isinstance(shown.app.screen, RunEpisodesScreen))
    await shown.wait(lambda: "5 of 5 episodes" in shown.status)
    await shown.press("slash", *"won:yes")
    await shown.wait(lambda: "3 of 5 episodes" in shown.status)
    await shown.press("escape")
    await shown.wait(lambda: "5 of 5 episodes" in shown.status)
    await shown.press("escape")
    await shown.wait(lambda: shown.app.screen is shown.train)


@seen("stages.up", "stages.down")
async def _(shown: Watch, key: str) -> None:
    wanted = "evaluate-sft" if key in keys("stages.down") else "rejection"
    await shown.press(key)
    await shown.wait(lambda: shown.stages.stage == wanted)
    await shown.wait(lambda: shown.view.looked_at == wanted)


@seen("train.follow")
async def _(shown: Watch, key: str) -> None:
    await shown.press("k", "k", "k")
    await shown.wait(lambda: shown.view.looked_at == "sft")
    await shown.press(key)
    await shown.wait(lambda: shown.view.looked_at == shown.stages.stage == "oreo")


@seen("train.curves")
async def _(shown: Watch, key: str) -> None:
    before = curves(shown)
    await shown.press(key)
    await shown.wait(lambda: not set(before) & set(curves(shown)))
    await shown.press(key)
    await shown.wait(lambda: curves(shown) == before)


@seen("train.zoom")
async def _(shown: Watch, key: str) -> None:
    await shown.press(key)
    await shown.wait(lambda: shown.train.maximized is shown.stages)
    await shown.press(key)
    await shown.wait(lambda: shown.train.maximized is None)


@seen("train.stop", "stop.go-on", "stop.stop", all_at_once=True)
async def _(shown: Watch, key: str) -> None:
    for answer in ("escape", *keys("stop.stop")):
        await shown.press("ctrl+c")
        await shown.wait(lambda: isinstance(shown.app.screen, StopScreen))
        assert shown.stops == []
        await shown.press(answer)
        await shown.wait(lambda: shown.app.screen is shown.train)
        if answer == "escape":
            assert "stopping" not in shown.status
            continue
        assert shown.stops.pop() == "stop"
        assert "stopping" in shown.status


@seen("app.train")
async def _(shown: Watch, key: str) -> None:
    await shown.press("f3")
    await shown.wait(lambda: type(shown.app.screen) is ReplayScreen)
    await shown.press(key)
    await shown.wait(lambda: shown.app.screen is shown.train)
