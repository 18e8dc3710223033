"""Pictures of screens without a terminal."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from oreo_agent.episodes import EpisodeStore
from oreo_agent.episodes.catalog import read_catalog
from oreo_agent.errors import MissingError, OreoAgentError, RunFailedError, UsageError
from oreo_agent.session import Session
from oreo_agent.tui.app import OreoApp
from oreo_agent.tui.comparison import recorded
from oreo_agent.tui.screens.live import LiveScreen
from oreo_agent.tui.screenshot import Shot, read_keys, take_picture
from tests.tui.compared import compare_app, episodes, head_to_head
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, scripted_services, session_factory


def words(svg: str) -> str:
    rows = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    return html.unescape("".join(rows)).replace("\xa0", " ")


def live_app(folder: Path) -> OreoApp:
    make = session_factory(ScriptedEnv(), ScriptedAgent(), None)
    services = scripted_services(folder)
    return OreoApp(services, LiveScreen(make, services), read_entries=lambda: iter(()), where="")


def list_app(folder: Path) -> OreoApp:
    store = folder / "episodes"
    if not store.exists():
        for each in episodes():
            EpisodeStore(store).append(each)
    return OreoApp(
        scripted_services(folder), read_entries=lambda: read_catalog([store]), where="here"
    )


def test_a_live_game_is_drawn_after_some_steps_and_leaves_no_journal(tmp_path: Path) -> None:
    picture = words(take_picture(live_app(tmp_path), Shot(size=(80, 24), steps=3)))
    assert "turn 3/20" in picture
    assert "open drawer 2" in picture
    assert not (tmp_path / "journals").exists()


def test_an_agent_that_has_won_before_is_drawn_as_it_won(tmp_path: Path) -> None:
    assert "✓ won" in words(take_picture(live_app(tmp_path), Shot(size=(80, 24), steps=19)))


def test_the_same_picture_is_drawn_again(tmp_path: Path) -> None:
    for app, shot in (
        (list_app, Shot(size=(80, 24))),
        (compare_app, Shot(size=(60, 20))),
    ):
        assert take_picture(app(tmp_path), shot) == take_picture(app(tmp_path), shot)


def test_an_episode_is_drawn_at_its_largest_drop_or_at_a_turn(tmp_path: Path) -> None:
    shot = Shot(opened="a" * 16)
    assert "drop 1 of 1: open drawer 2" in words(take_picture(list_app(tmp_path), shot))
    shot = Shot(opened="a" * 16, turn=5)
    assert "turn 5/7" in words(take_picture(list_app(tmp_path), shot))


def test_two_episodes_are_drawn_at_the_fork_or_at_a_turn(tmp_path: Path) -> None:
    assert "difference 1 of 2" in words(take_picture(compare_app(tmp_path), Shot()))
    picture = words(take_picture(compare_app(tmp_path), Shot(turn=6)))
    assert "- turn 6 · + turn 6" in picture


def test_two_agents_are_drawn_when_both_have_played(tmp_path: Path) -> None:
    picture = words(take_picture(compare_app(tmp_path, head_to_head()), Shot()))
    assert "the same actions" in picture


def test_keys_are_pressed_before_it_is_drawn(tmp_path: Path) -> None:
    picture = words(take_picture(live_app(tmp_path), Shot(steps=1, keys=("s",))))
    assert "Review before saving" in picture


def test_what_is_no_keys_name_is_typed() -> None:
    assert read_keys("t,go to,tab,ctrl+j,$,dollar_sign,f1") == (
        *("t", "g", "o", " ", "t", "o", "tab", "ctrl+j"),
        *("$", "dollar_sign", "f1"),
    )
    assert read_keys("candle") == tuple("candle")  # a character's name, too
    assert read_keys("") == ()


def test_a_turn_that_an_episode_has_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        take_picture(list_app(tmp_path), Shot(opened="a" * 16, turn=8))
    assert "The episode has 7" in str(caught.value)


def test_a_turn_that_neither_episode_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no turn 8"):
        take_picture(compare_app(tmp_path), Shot(turn=8))


def test_a_game_that_is_not_there_is_its_own_error(tmp_path: Path) -> None:
    def make(say: object) -> Session:
        raise MissingError("no model ships for go.", "Train one.")

    services = scripted_services(tmp_path)
    app = OreoApp(services, LiveScreen(make, services), read_entries=tuple, where="")
    with pytest.raises(OreoAgentError, match="no model ships for go"):
        take_picture(app, Shot())


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    make = session_factory(ScriptedEnv(), ScriptedAgent(delay=3.0), None)
    services = scripted_services(tmp_path)
    app = OreoApp(services, LiveScreen(make, services), read_entries=tuple, where="")
    with pytest.raises(RunFailedError, match=r"not ready after 0\.2 s"):
        take_picture(app, Shot(patience=0.2))


def test_a_picture_needs_no_colour_of_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = episodes()
    sides = (recorded(left), recorded(right))
    plain = take_picture(compare_app(tmp_path, sides), Shot(size=(60, 20)))
    monkeypatch.setenv("COLORTERM", "")
    monkeypatch.setenv("TERM", "dumb")
    assert take_picture(compare_app(tmp_path, sides), Shot(size=(60, 20))) == plain
