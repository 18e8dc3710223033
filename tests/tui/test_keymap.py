"""Keys, colours and mouse as the settings want them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.theme import Theme

from oreo_agent.errors import ConfigError
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.keymap import default_keys, read_keys
from oreo_agent.tui.screens.help import HelpScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.services import Appearance
from oreo_agent.tui.themes import check_theme, remember_theme, remembered_theme, themes
from tests.tui.key_table import bindings
from tests.tui.live_screen import Screen
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services, session_factory


@asynccontextmanager
async def screen_like(folder: Path, appearance: Appearance) -> AsyncIterator[Screen]:
    services = replace(scripted_services(folder), appearance=appearance)
    env, agent = ScriptedEnv(), ScriptedAgent()
    app = OreoApp(
        services,
        LiveScreen(session_factory(env, agent, services.journals), services),
        read_entries=tuple,
        where="episodes",
    )
    async with app.run_test(size=(100, 50)) as pilot:
        shown = Screen(app, pilot, env, agent, services.store)
        await shown.ready(0)
        yield shown
    assert all(driver.close(timeout=5) for driver in app.drivers)


def test_every_binding_of_every_screen_can_be_named() -> None:
    assert default_keys() == {binding.id: binding.key for binding in bindings()}


def test_the_usual_keys_are_accepted_as_they_are() -> None:
    usual = default_keys()
    assert read_keys(usual, "x.toml") == usual


def test_names_may_be_nested_and_keys_a_list() -> None:
    table = {"live": {"step": "ctrl+n"}, "step.next": ["l", "f6"]}
    assert read_keys(table, "x.toml") == {"live.step": "ctrl+n", "step.next": "l,f6"}


def test_two_actions_may_change_places() -> None:
    keys = {"live.step": "r", "live.run": "space"}
    assert read_keys(keys, "x.toml") == keys


@pytest.mark.parametrize(
    ("table", "what", "fix"),
    [
        ({"live.stp": "n"}, "there is no action 'live.stp'", "Did you mean 'live.step'?"),
        ({"live.step": "spce"}, "there is no key 'spce'", "e.g. space"),
        ({"live.step": "strg+n"}, "there is no key 'strg+n'", "e.g. space"),
        ({"live.step": ""}, "live.step has no key", "ctrl+n"),
        ({"live.step": "ctrl+h"}, "terminals send backspace for ctrl+h", "another key"),
        ({"live.step": "n"}, "'n' is both live.step and step.next-match", "step.next-match"),
        ({"step.copy": "left"}, "'left' is both comparison.previous and step.copy", "comparison"),
        ({"live.step": "q"}, "'q' is both app.quit and live.step", "app.quit"),
        ({"live.step": "F", "live.run": "F"}, "'F' is both live.run and live.step", "another"),
        ({"live.step": "?"}, "'question_mark' is both app.help and live.step", "app.help"),
    ],
)
def test_what_cannot_be_had_is_one_line_that_says_how_to_mend_it(
    table: dict[str, object], what: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_keys(table, "x.toml")
    assert caught.value.what.startswith("x.toml: [keys] ")
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_the_same_key_may_do_different_things_on_screens_that_never_meet() -> None:
    assert read_keys({"episode.play": "t"}, "x.toml") == {"episode.play": "t"}


async def test_a_key_that_was_changed_works_and_the_old_one_does_not(tmp_path: Path) -> None:
    async with screen_like(tmp_path, Appearance(keys={"live.step": "F"})) as shown:
        await shown.pilot.press("space", "F")
        await shown.ready(1)
        await shown.pilot.press("space")
        await asyncio.sleep(0.1)
        assert shown.turns == 1


async def test_footer_help_and_palette_show_the_key_that_was_set(tmp_path: Path) -> None:
    async with screen_like(
        tmp_path, Appearance(keys={"live.step": "F", "app.help": "f6"})
    ) as shown:
        assert "F Step" in shown.text()
        commands = shown.app.get_system_commands(shown.app.screen)
        assert {c.title: c.help for c in commands}["Step"] == "Key: F"
        await shown.pilot.press("f6")
        await shown.wait(lambda: isinstance(shown.app.screen, HelpScreen))
        assert "F  Step" in shown.text()


async def test_the_palette_offers_every_action_that_a_key_does(tmp_path: Path) -> None:
    async with screen_like(tmp_path, Appearance()) as shown:
        await shown.pilot.press("space")
        await shown.ready(1)
        titles = {c.title for c in shown.app.get_system_commands(shown.app.screen)}
        done = [a.binding for a in shown.app.screen.active_bindings.values() if a.enabled]
        named = {binding.description for binding in done if binding.id}
        assert len(named) > 20
        missing = {name for name in named if not any(t.startswith(name) for t in titles)}
        assert not missing
        assert {f"Choose candidate {n}" for n in range(1, 10)} <= titles


async def test_the_theme_that_was_chosen_is_there_at_the_next_start(tmp_path: Path) -> None:
    async with screen_like(tmp_path, Appearance()) as shown:
        assert shown.app.theme == "oreo-dark"
        shown.app.theme = "oreo-contrast"
        await shown.wait(lambda: (tmp_path / "theme").exists())
    async with screen_like(tmp_path, Appearance()) as shown:
        assert shown.app.theme == "oreo-contrast"
    async with screen_like(tmp_path, Appearance(theme="oreo-light")) as shown:
        assert shown.app.theme == "oreo-light"
    assert remembered_theme(tmp_path / "theme") == "oreo-contrast"


def test_a_theme_that_is_there_no_more_is_forgotten(tmp_path: Path) -> None:
    remember_theme(tmp_path / "new" / "theme", "gone")
    assert remembered_theme(tmp_path / "new" / "theme") == ""


def test_a_theme_that_does_not_exist_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no theme 'oreo-drak'") as caught:
        check_theme("oreo-drak", "x.toml")
    assert caught.value.fix == "Did you mean 'oreo-dark'?"


def luminance(colour: str) -> float:
    """Relative luminance of a colour as WCAG 2 has it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", themes(), ids=lambda theme: theme.name)
def test_text_stands_out_from_its_background(theme: Theme) -> None:
    wanted = 7.0 if theme.name == "oreo-contrast" else 4.5  # WCAG 2: AAA, AA
    for ground in (theme.background, theme.surface, theme.panel):
        for ink in (theme.foreground, theme.success, theme.error, theme.warning, theme.accent):
            dark, bright = sorted(map(luminance, (str(ground), str(ink))))
            assert (bright + 0.05) / (dark + 0.05) >= wanted, (ink, ground)
