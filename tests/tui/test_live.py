"""Playing on the live screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.widgets import Input

from oreo_agent.episodes import (
    Decision,
    Outcome,
)
from oreo_agent.errors import MissingError
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.screens.help import HelpScreen
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screens.recover import RecoverScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.widgets.episode_pane import EpisodePane
from oreo_agent.tui.widgets.takeover import TakeOverCard, complete
from oreo_agent.tui.widgets.transcript import Transcript
from oreo_agent.tui.widgets.value_strip import ValueStrip
from tests.tui.live_screen import screen
from tests.tui.scripted_world import ROUTE, ScriptedAgent, ScriptedEnv


async def test_it_shows_goal_observation_value_and_candidates(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        text = shown.text()
        assert "put a clean mug in coffeemachine" in text
        assert "turn 0/20" in text
        assert "V 0.18" in text
        assert "84%" in text
        assert "go to countertop 2" in text


async def test_space_steps_once(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        text = shown.text()
        assert "you see a mug 1" in text
        assert "V 0.30  A ▲+.12" in text
        assert shown.live.query_one(Transcript).cursor == 1


async def test_r_runs_and_pauses(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("minus", "minus", "r")
        await shown.wait(lambda: shown.turns == 1 and "running" in shown.text())
        await shown.pilot.press("r")
        await shown.wait(lambda: "paused" in shown.text())
        assert not shown.state.over


async def test_a_run_ends_with_the_episode(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("plus", "plus", "plus", "r")
        await shown.wait(lambda: shown.state.over)
        await shown.wait(lambda: "✓ won" in shown.text())
        assert shown.state.episode.outcome is Outcome.SUCCESS


async def test_t_takes_over_with_a_completed_command(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("t")
        assert isinstance(shown.app.focused, Input)
        # Letters and digits that are keys elsewhere are text here.
        await shown.pilot.press(*"open dr", "tab")
        assert shown.live.query_one("#takeover-input", Input).value == "open drawer 2"
        await shown.pilot.press("enter")
        await shown.ready(1)
        turn = shown.state.episode.turns[0]
        assert turn.executed.action == "open drawer 2"
        assert turn.decision is Decision.TAKE_OVER
        assert not shown.live.query_one(TakeOverCard).display
        assert "human" in shown.text()
        assert "the agent wanted: go to countertop 2" in shown.text()


async def test_the_keyboard_is_the_take_over_cards_at_once(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        shown.live.query_one(TakeOverCard).open(1)
        assert isinstance(shown.app.focused, Input)


async def test_an_agent_that_wanted_the_same_is_not_quoted(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("t", *"go to countertop 2", "enter")
        await shown.ready(1)
        assert shown.state.episode.turns[0].decision is Decision.TAKE_OVER
        assert "the agent wanted" not in shown.text()


async def test_ctrl_j_sends_and_keeps_control_and_up_brings_the_action_back(
    tmp_path: Path,
) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("t", *"look", "ctrl+j")
        await shown.ready(1)
        assert shown.live.query_one(TakeOverCard).display
        assert shown.live.query_one(TakeOverCard).border_title == "Your action 2"
        await shown.pilot.press("up")
        assert shown.live.query_one("#takeover-input", Input).value == "look"
        await shown.pilot.press("escape")
        assert not shown.live.query_one(TakeOverCard).display


async def test_a_digit_and_enter_choose_a_candidate(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("2")
        await shown.ready(1)
        assert shown.state.episode.turns[0].executed.action == "look"
        shown.live.query_one("#candidates").focus()
        await shown.pilot.press("down", "enter")
        await shown.ready(2)
        assert shown.state.episode.turns[1].decision is Decision.CHOOSE


async def test_u_undoes_to_the_selected_turn_and_says_it_is_a_branch(tmp_path: Path) -> None:
    async with screen(tmp_path, size=(120, 36)) as shown:
        await shown.ready(0)
        for turns in (1, 2, 3):
            await shown.pilot.press("space")
            await shown.ready(turns)
        old = shown.state.episode.id
        await shown.pilot.press("h", "left", "u")
        await shown.wait(lambda: shown.state.episode.parent == old)
        await shown.ready(1)
        assert shown.state.episode.fork_turn == 1
        assert shown.live.query_one(Transcript).cursor == 1
        await shown.wait(lambda: "branch of" in shown.text())


async def test_hostile_text_reaches_the_screen_without_escape_or_markup(tmp_path: Path) -> None:
    hostile = "\x1b[31m\x1b]0;title\x07[red]not markup[/red]\u202etxt.exe"
    env = ScriptedEnv(goal="put [b]mug[/b] \x1b[2J in \u202eshelf", hostile=hostile)
    async with screen(tmp_path, env=env, size=(120, 36)) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        svg = shown.app.export_screenshot()
        text = shown.text()
        for control in ("\x1b", "\x07", "\u202e", "\x9b"):
            assert control not in svg
        assert "[red]not markup[/red]" in text
        assert "put [b]mug[/b]  in shelf" in text or "put [b]mug[/b] in shelf" in text
        # What is recorded is what the environment printed, unchanged.
        assert hostile in shown.state.episode.turns[0].observation


async def test_a_model_that_fails_is_a_card_and_u_tries_again(tmp_path: Path) -> None:
    agent = ScriptedAgent()
    agent.breaks_at = 1
    async with screen(tmp_path, agent=agent) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.wait(lambda: shown.state.failure)
        await shown.wait(lambda: "ran out of memory" in shown.text())
        assert "! error" in shown.text()
        agent.breaks_at = None
        await shown.pilot.press("u")
        await shown.ready(1)
        assert shown.state.failure is None
        assert not shown.live.query_one("#error").display


async def test_a_session_that_cannot_be_made_is_a_card(tmp_path: Path) -> None:
    def missing(_: Callable[[str], None]) -> Session:
        raise MissingError("There is no model here.", "Train one first.")

    async with screen(tmp_path, make=missing) as shown:
        await shown.wait(lambda: "Train one first." in shown.text())
        await shown.pilot.press("space", "t", "u", "s")
        assert shown.live.state is None


async def test_loading_shows_what_is_being_done_and_q_leaves_at_once(tmp_path: Path) -> None:
    import threading

    gate = threading.Event()

    def slow(progress: Callable[[str], None]) -> Session:
        progress("Loading a large model")
        gate.wait(20)
        raise MissingError("never shown")

    async with screen(tmp_path, make=slow) as shown:
        await shown.wait(lambda: "Loading a large model" in shown.text())
        await shown.pilot.press("q")
        gate.set()


async def test_the_value_strip_has_one_column_a_state_and_a_click_selects(tmp_path: Path) -> None:
    async with screen(tmp_path, size=(120, 36)) as shown:
        await shown.ready(0)
        for turns in (1, 2, 3):
            await shown.pilot.press("space")
            await shown.ready(turns)
        strip = shown.live.query_one(ValueStrip)
        lines = [strip.render_line(y).text.rstrip() for y in range(strip.size.height)]
        assert lines[-2] == "    ▇███"  # V is 0.18, 0.30, 0.42, 0.37 on five lines.
        assert lines[-1] == "0.0 ───▲"
        await shown.pilot.click(ValueStrip, offset=(1 + 4 + 1, 2))
        await shown.pilot.pause()
        assert shown.live.query_one(EpisodePane).cursor == 1
        assert "Candidates then, turn 2" in shown.text()


async def test_moving_back_while_running_is_not_undone_by_the_next_step(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        for turns in (1, 2):
            await shown.pilot.press("space")
            await shown.ready(turns)
        await shown.pilot.press("0")
        shown.live.driver.step()
        await shown.ready(3)
        assert shown.live.query_one(Transcript).cursor == 0


async def test_help_lists_every_key_of_the_screen(tmp_path: Path) -> None:
    async with screen(tmp_path, size=(120, 50)) as shown:
        await shown.ready(0)
        await shown.pilot.press("question_mark")
        assert isinstance(shown.app.screen, HelpScreen)
        text = shown.text()
        for word in ("Step", "Run", "Take over", "Undo to", "Save", "Faster", "Quit", "Replay"):
            assert word in text
        await shown.pilot.press("escape")
        await shown.wait(lambda: "space Step" in shown.text())


async def test_the_palette_offers_the_keys_actions(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        titles = [command.title for command in shown.app.get_system_commands(shown.app.screen)]
        assert {"Step", "Take over", "Undo to", "Faster"} <= set(titles)
        step = next(c for c in shown.app.get_system_commands(shown.app.screen) if c.title == "Step")
        step.callback()
        await shown.ready(1)


async def test_every_binding_has_an_id_and_a_description(tmp_path: Path) -> None:
    for holder in (OreoApp, LiveScreen, ReplayScreen, RecoverScreen, TakeOverCard, HelpScreen):
        own = [binding for binding in holder.BINDINGS if holder.BINDINGS]
        assert own
        for binding in own:
            assert getattr(binding, "id", None), binding
            assert getattr(binding, "description", None), binding


def test_completion_goes_as_far_as_the_actions_agree() -> None:
    actions = ("go to fridge 1", "go to fridge 12", "go to shelf 1", "open drawer 2")
    assert complete("", actions) == ""
    assert complete("g", actions) == "go to "
    assert complete("go to f", actions) == "go to fridge 1"
    assert complete("drawer", actions) == "open drawer 2"
    assert complete("xyz", actions) == "xyz"
    assert complete("look", ()) == "look"


def test_the_route_of_the_scripted_world_is_winnable() -> None:
    env = ScriptedEnv()
    env.reset()
    assert [env.step(action).info["won"] for action, _ in ROUTE][-1] is True
