"""The comparison, driven by its keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from oreo_agent.envs.core import EnvError
from oreo_agent.episodes import Episode, EpisodeStore
from oreo_agent.session import Session
from oreo_agent.tui.comparison import HeadToHead, Side, recorded
from oreo_agent.tui.screens.compare import CompareScreen
from oreo_agent.tui.screens.episode import EpisodeScreen
from oreo_agent.tui.screens.replay import ReplayScreen
from oreo_agent.tui.widgets.status import ErrorCard
from oreo_agent.tui.widgets.value_strip import ValueStrip
from tests.tui.compared import Shown, compared, episodes, head_to_head, player
from tests.tui.live_screen import screen
from tests.tui.replay_screen import replay
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv


def text(shown: Shown, selector: str) -> str:
    return str(shown.screen.query_one(selector).render())


def strips(shown: Shown) -> list[int]:
    return [strip._cursor for strip in shown.screen.query(ValueStrip)]


async def test_it_opens_at_the_first_action_that_differs(tmp_path: Path) -> None:
    async with compared(tmp_path) as shown:
        await shown.wait(lambda: "difference 1 of 2 · - turn 3 · + turn 3" in shown.status)
        assert "- aaaaaaaa · scripted-1" in text(shown, "#titles")
        assert "✓ won, 7 turns" in text(shown, "#titles")
        assert "+ bbbbbbbb · corrected after turn 2 · 2 by a person" in text(shown, "#titles")


async def test_both_cursors_move_in_step_and_beside_a_gap_one_waits(tmp_path: Path) -> None:
    async with compared(tmp_path) as shown:
        await shown.wait(lambda: strips(shown) == [3, 3])
        await shown.press("l")
        await shown.wait(lambda: "- turn 4 · + no turn" in shown.status)
        assert strips(shown) == [4, 3]
        await shown.press("right")
        await shown.wait(lambda: "- turn 5 · + turn 4" in shown.status)
        await shown.press("h", "left", "k")
        await shown.wait(lambda: strips(shown) == [2, 2])


async def test_n_goes_to_where_the_actions_differ_and_says_when_there_is_no_more(
    tmp_path: Path,
) -> None:
    async with compared(tmp_path) as shown:
        await shown.press("n")
        await shown.wait(lambda: "difference 2 of 2 · - no turn · + turn 5" in shown.status)
        await shown.press("n")
        await shown.wait(lambda: "there is no other difference" in shown.status)
        await shown.press("N")
        await shown.wait(lambda: "difference 1 of 2" in shown.status)


async def test_values_are_those_of_each_and_none_is_made_up(tmp_path: Path) -> None:
    left, right = episodes()
    bare = msgspec.structs.replace(
        right, turns=tuple(msgspec.structs.replace(t, value=None) for t in right.turns)
    )
    async with compared(tmp_path, (recorded(left), recorded(bare))) as shown:
        await shown.wait(lambda: "- V 0.37 A ▼-.05" in shown.status)
        assert "+ V" not in shown.status
        second = shown.screen.query_one("#strip-1", ValueStrip)
        assert "no value" in second.render_line(0).text


async def test_the_answers_and_what_there_was_to_choose_from_stand_below(tmp_path: Path) -> None:
    async with compared(tmp_path) as shown:
        await shown.wait(lambda: "- You open drawer 2." in text(shown, "#answers"))
        assert "  candidates: open drawer 2 52% · go to sinkbasin 1 41%" in text(shown, "#answers")
        assert "+ On the sinkbasin 1, you see a fork 2." in text(shown, "#answers")


async def test_m_shows_both_as_a_model_sees_them(tmp_path: Path) -> None:
    async with compared(tmp_path) as shown:
        await shown.press("m", "1")
        await shown.wait(lambda: "values of model" in shown.status)
        await shown.wait(lambda: "- V 0.47" in shown.status and "+ V 0.64" in shown.status)


async def test_two_episodes_without_a_difference_say_so(tmp_path: Path) -> None:
    left, _ = episodes()
    async with compared(tmp_path, (recorded(left), recorded(left))) as shown:
        await shown.wait(lambda: "the same actions" in shown.status)
        await shown.press("n")
        await shown.wait(lambda: "the actions are all the same" in shown.status)


async def test_two_marks_in_the_list_compare_two_episodes(tmp_path: Path) -> None:
    left, right = episodes()
    for each in (left, right):
        EpisodeStore(tmp_path / "episodes").append(each)
    async with replay(tmp_path / "episodes") as shown:
        await shown.press("m")
        await shown.wait(lambda: f"{left.id} is marked" in shown.status)
        assert "●" in shown.list.render_line(0).text
        await shown.press("m")
        await shown.wait(lambda: "is marked" not in shown.status)
        await shown.press("m", "down", "m")
        await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
        await shown.wait(lambda: "difference 1 of 2" in shown.status)
        await shown.press("escape")
        await shown.wait(lambda: isinstance(shown.app.screen, ReplayScreen))
        assert "is marked" not in shown.status


@pytest.mark.parametrize("place", [0, 1])
async def test_b_shows_a_correction_beside_its_parent_from_either(
    tmp_path: Path, place: int
) -> None:
    for each in episodes():
        EpisodeStore(tmp_path / "episodes").append(each)
    async with replay(tmp_path / "episodes") as shown:
        await shown.opened(place)
        await shown.press("b")
        await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
        await shown.wait(lambda: "difference 1 of 2" in shown.status)
        titles = str(shown.app.screen.query_one("#titles").render())
        assert titles.index("aaaa") < titles.index("bbbb")
        await shown.press("escape")
        await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))


async def test_b_without_a_parent_or_a_correction_says_what_is_missing(tmp_path: Path) -> None:
    left, right = episodes()
    EpisodeStore(tmp_path / "episodes").append(left)
    EpisodeStore(tmp_path / "episodes").append(msgspec.structs.replace(right, parent="gone"))
    async with replay(tmp_path / "episodes") as shown:
        await shown.opened(0)
        await shown.press("b")
        await shown.wait(lambda: "nothing was corrected in it yet" in shown.status)
        await shown.press("L", "b")
        await shown.wait(lambda: "its parent gone is not listed here" in shown.status)


async def test_what_is_being_corrected_can_be_seen_beside_its_parent(tmp_path: Path) -> None:
    async with screen(tmp_path) as shown:
        await shown.ready(0)
        await shown.pilot.press("space")
        await shown.ready(1)
        await shown.pilot.press("b")  # no parent yet
        assert shown.app.screen is shown.live
        await shown.pilot.press("0", "u")
        await shown.ready(0)
        await shown.pilot.press("2")
        await shown.ready(1)
        await shown.pilot.press("b")
        await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
        assert "corrected after turn 0" in shown.text()
        await shown.pilot.press("escape")
        await shown.wait(lambda: shown.app.screen is shown.live)


async def test_two_agents_play_the_same_game_and_are_compared(tmp_path: Path) -> None:
    async with compared(tmp_path, head_to_head(tmp_path / "kept")) as shown:
        await shown.wait(lambda: shown.screen.is_settled)
        await shown.wait(lambda: "the same actions" in shown.status)
        titles = text(shown, "#titles")
        assert "- runs/a" in titles
        assert "+ runs/b" in titles
        assert "- V 0.18 · + V 0.28" in shown.status
    kept = list(EpisodeStore(tmp_path / "kept"))
    assert len(kept) == 2
    assert next(turn.value.value for turn in kept[1].turns if turn.value) == pytest.approx(0.28)


async def test_what_is_played_is_seen_while_it_is_played(tmp_path: Path) -> None:
    held = threading.Event()

    class Waiting(ScriptedAgent):
        def act(self, requests):  # type: ignore[no-untyped-def]  # as its base
            if len(requests[0].history) == 2:
                held.wait(20)
            return super().act(requests)

    pair = HeadToHead(
        names=("first", "second"), sessions=(player(Waiting()), player(ScriptedAgent()))
    )
    async with compared(tmp_path, pair) as shown:
        await shown.wait(lambda: "first plays, turn 1" in shown.status)
        assert not shown.screen.is_settled
        await shown.press("h")
        held.set()
        await shown.wait(lambda: shown.screen.is_settled)
        # Who has looked around is left where they are.
        assert shown.screen.cursor == 0


async def test_a_game_that_cannot_be_played_is_a_card_and_r_plays_again(tmp_path: Path) -> None:
    env = ScriptedEnv()
    env.breaks_on = "open drawer 2"
    async with compared(tmp_path, head_to_head(env=env)) as shown:
        card = shown.screen.query_one(ErrorCard)
        await shown.wait(lambda: card.display)
        assert isinstance(shown.screen.broken, Exception)
        assert "runs/b: environment: The game crashed." in str(card.render())
        assert "✓ won, 7 turns" in text(shown, "#titles")
        env.breaks_on = None
        await shown.press("R")
        await shown.wait(lambda: shown.screen.is_settled and "the same actions" in shown.status)
        assert not card.display


async def test_a_model_that_is_not_there_is_a_card(tmp_path: Path) -> None:
    def make(say: Callable[[str], None]) -> Session:
        raise EnvError("The games are gone.", "Fetch them.")

    pair = HeadToHead(names=("a", "b"), sessions=(make, make))
    async with compared(tmp_path, pair) as shown:
        card = shown.screen.query_one(ErrorCard)
        await shown.wait(lambda: "The games are gone" in str(card.render()))


def hostile() -> tuple[Side, Side]:
    sides: list[Side] = []
    for each in episodes(hostile="\x1b]0;TITLE\x07\x1b[31m\u202e[bold]x[/] " + "word" * 1500):
        changed: Episode = msgspec.structs.replace(each, id=f"\x1b[2J{each.id}", model="\x9b2Jm")
        sides.append(Side(seen=recorded(changed).seen, name=""))
    return sides[0], sides[1]


@pytest.mark.parametrize("size", [(60, 20), (120, 36)])
async def test_hostile_text_is_shown_as_it_is_written_and_the_layout_stands(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with compared(tmp_path, hostile(), size=size) as shown:
        await shown.wait(lambda: "difference 1 of 2" in shown.status)
        for keys in ((), ("v",), ("v",), ("n",)):
            await shown.press(*keys)
            svg = shown.app.export_screenshot()
            for raw in ("\x1b", "\x07", "\x9b", "\u202e", "TITLE"):
                assert raw not in svg
        assert text(shown, "#goal").startswith(" Goal put a clean mug in coffeemachine[bold]x[/]")
        assert shown.screen.query_one("#status").region.height == 1
        assert shown.screen.query_one("#comparison").region.height >= 5


async def test_it_names_another_game(tmp_path: Path) -> None:
    left, right = episodes()
    other = msgspec.structs.replace(right, task="kitchen/other")
    async with compared(tmp_path, (recorded(left), recorded(other))) as shown:
        await shown.wait(lambda: "another game" in text(shown, "#goal"))


async def test_a_correction_that_was_just_saved_is_found_beside_its_parent(tmp_path: Path) -> None:
    left, _ = episodes()
    EpisodeStore(tmp_path / "recorded").append(left)
    async with replay(tmp_path / "recorded") as shown:
        await shown.opened()
        await shown.press("d", "c")
        await shown.corrected(2)
        await shown.press("2")
        await shown.corrected(3)
        await shown.press("b")
        await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
        await shown.press("escape", "s", "s")
        await shown.wait(lambda: len(EpisodeStore(tmp_path / "episodes")) == 1)
        await shown.press("escape")
        await shown.wait(lambda: isinstance(shown.app.screen, EpisodeScreen))
        await shown.press("b")
        await shown.wait(lambda: isinstance(shown.app.screen, CompareScreen))
        await shown.wait(lambda: "difference 1 of" in shown.status)
        assert "corrected after turn 2" in str(shown.app.screen.query_one("#titles").render())
