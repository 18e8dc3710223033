"""What each key of the live screen does."""

from __future__ import annotations

from textual.widgets import Input, OptionList

from oreo_agent.episodes import Decision, EpisodeStore
from oreo_agent.tui.screens.agents import PLAYERS, AgentScreen
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.help import HelpScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.screens.review import ReviewScreen
from oreo_agent.tui.widgets.takeover import TakeOverCard
from tests.tui.key_table import keys, live
from tests.tui.live_screen import Screen


async def fresh(shown: Screen) -> None:
    """Begin another game: three turns, the second one by a person; then value was lost."""
    before, driver = shown.state.episode.id, shown.live.driver
    driver.new_game()
    driver.step()
    driver.choose("look", 1)
    driver.step()
    await shown.wait(lambda: shown.state.episode.id != before)
    await shown.ready(3)
    shown.live.pane.seek(3)


def cursor(shown: Screen) -> int:
    return shown.live.pane.cursor


@live("live.step")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.ready(4)


@live("live.run")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: "running" in shown.status)
    await shown.pilot.press(key)
    await shown.wait(lambda: "paused" in shown.status)


@live("live.take-over")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key, *"look", "enter")
    await shown.ready(4)
    assert shown.state.episode.turns[-1].decision is Decision.TAKE_OVER


@live("live.edit")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key, "backspace", "9", "enter")
    await shown.ready(4)
    assert shown.state.episode.turns[-1].decision is Decision.EDIT


@live("live.reject")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: shown.state.rejected == 1)


@live("live.undo")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("h", key)
    await shown.ready(2)
    assert shown.state.episode.fork_turn == 2


@live("live.save", "review.back", all_at_once=True)
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(*keys("live.save"))
    await shown.wait(lambda: isinstance(shown.app.screen, ReviewScreen))
    await shown.pilot.press(*keys("review.back"))
    await shown.wait(lambda: shown.app.screen is shown.live)
    assert shown.state.unsaved


@live("review.save")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("s", key)
    await shown.wait(lambda: shown.state.unsaved == 0)
    assert shown.state.episode.id in EpisodeStore(shown.store)


@live("review.note")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("s", key, *"it strays", "escape", key, *"look first", "enter")
    await shown.wait(lambda: shown.state.episode.note == "look first")
    await shown.pilot.press("s")
    await shown.wait(lambda: shown.state.unsaved == 0)
    assert EpisodeStore(shown.store).get(shown.state.episode.id).note == "look first"


@live("live.beside")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("h", "u")
    await shown.ready(2)
    await shown.pilot.press(key)
    await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
    await shown.pilot.press("escape")
    await shown.wait(lambda: shown.app.screen is shown.live)


@live("review.discard")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("s", key)
    await shown.wait(lambda: "discarded" in shown.status)
    assert shown.state.episode.id not in EpisodeStore(shown.store)


@live("live.agent", *(f"agents.{n}" for n in range(1, len(PLAYERS) + 1)))
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("a")
    await shown.wait(lambda: isinstance(shown.app.screen, AgentScreen))
    number = int(key) if key.isdigit() else 2
    await shown.pilot.press(str(number))
    kind = PLAYERS[number - 1][2]
    await shown.wait(lambda: shown.state.agent.startswith(kind))


@live("agents.checkpoint", "agents.back", all_at_once=True)
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("a", "c", *"none", "escape")
    await shown.wait(lambda: isinstance(shown.app.focused, OptionList))
    await shown.pilot.press("1")  # refused: there is no such folder
    assert isinstance(shown.app.screen, AgentScreen)
    await shown.pilot.press("escape")
    await shown.wait(lambda: shown.app.screen is shown.live)


@live("live.new-game")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.ready(0)
    assert shown.state.unsaved


@live("live.retry")
async def _(shown: Screen, key: str) -> None:
    shown.env.breaks_on = "go to sinkbasin 1"
    await shown.pilot.press("space")
    await shown.wait(lambda: shown.state.failure)
    shown.env.breaks_on = None
    await shown.pilot.press(key)
    await shown.ready(4)
    assert shown.state.failure is None


@live(*(f"live.{n}" for n in range(1, 10)))
async def _(shown: Screen, key: str) -> None:
    options = shown.state.options
    await shown.pilot.press(key)
    if int(key) > len(options):
        await shown.wait(lambda: f"no candidate {key}" in shown.status)
        return
    await shown.ready(4)
    assert shown.state.episode.turns[-1].executed.action == options[int(key) - 1].action


@live("live.faster", "live.slower")
async def _(shown: Screen, key: str) -> None:
    before = shown.live.speed
    await shown.pilot.press(key)
    await shown.wait(
        lambda: (
            shown.live.speed > before if key in keys("live.faster") else shown.live.speed < before
        )
    )


@live("step.previous", "transcript.previous")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 2)


@live("step.next", "transcript.next")
async def _(shown: Screen, key: str) -> None:
    shown.live.pane.seek(1)
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 2)


@live("step.first", "transcript.first")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 0)


@live("step.last", "transcript.last")
async def _(shown: Screen, key: str) -> None:
    shown.live.pane.seek(1)
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 3)


@live("step.]", "step.[")
async def _(shown: Screen, key: str) -> None:
    shown.live.pane.seek(0 if key in keys("step.]") else 3)
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 2)


@live("step.drop", "step.larger-drop")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: cursor(shown) == 1 and "drop 1 of 1: look A ▼-.05" in shown.status)


@live("step.find", "step.next-match", "step.match-before", "find.leave", all_at_once=True)
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("slash", *"you see", "enter")
    await shown.wait(lambda: cursor(shown) == 0 and "match 1 of 2" in shown.status)
    await shown.pilot.press("n")
    await shown.wait(lambda: cursor(shown) == 1)
    await shown.pilot.press("N")
    await shown.wait(lambda: cursor(shown) == 0)
    await shown.pilot.press("slash", "z", "escape", "n")
    await shown.wait(lambda: "press / first" in shown.status)


@live("step.copy", "step.copy-all")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("[", key)
    text = "look" if key == "y" else "> look\nYou look. Nothing of interest is there."
    await shown.wait(lambda: shown.app.clipboard == text)


@live("step.detail")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("0", key)
    await shown.wait(lambda: "message 'look'" in shown.text())
    await shown.pilot.press(key)
    await shown.wait(lambda: "Welcome" not in shown.text())
    await shown.pilot.press(key)
    await shown.wait(lambda: "Welcome" in shown.text())


@live("step.zoom")
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press(key)
    await shown.wait(lambda: shown.live.maximized is not None)
    await shown.pilot.press(key)
    await shown.wait(lambda: shown.live.maximized is None)


@live(
    *("takeover.complete", "takeover.older", "takeover.newer", "takeover.keep", "takeover.leave"),
    all_at_once=True,
)
async def _(shown: Screen, key: str) -> None:
    field = shown.live.query_one("#takeover-input", Input)
    card = shown.live.query_one(TakeOverCard)
    await shown.pilot.press("t", *"inv", "tab")
    assert field.value == "inventory"
    await shown.pilot.press("ctrl+j", *"look", "ctrl+enter")
    await shown.ready(5)
    assert card.display
    await shown.pilot.press("up", "up")
    assert field.value == "inventory"
    await shown.pilot.press("down")
    assert field.value == "look"
    await shown.pilot.press("escape")
    assert not card.display


@live("app.help", "help.close")
async def _(shown: Screen, key: str) -> None:
    opener = key if key in keys("app.help") else "f1"
    await shown.pilot.press(opener)
    await shown.wait(lambda: isinstance(shown.app.screen, HelpScreen))
    await shown.pilot.press(key if key in keys("help.close") else "escape")
    await shown.wait(lambda: shown.app.screen is shown.live)


@live("app.live", "app.replay", all_at_once=True)
async def _(shown: Screen, key: str) -> None:
    await shown.pilot.press("f3")
    await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))
    await shown.pilot.press("f2")
    await shown.wait(lambda: shown.app.screen is shown.live)


@live("app.picture")
async def _(shown: Screen, key: str) -> None:
    taken: list[str] = []
    shown.app.deliver_screenshot = lambda *_: taken.append("svg")  # type: ignore[method-assign]  # a file would be written
    await shown.pilot.press(key)
    await shown.wait(lambda: taken)
