"""The list of episodes: its filter, its orders, and that it draws only what is seen."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.episodes import Actor, EpisodeStore, Outcome
from oreo_agent.episodes.index import EpisodeSummary
from oreo_agent.tui.episode_catalog import Entry, read_library
from oreo_agent.tui.episode_filter import Order, Query
from oreo_agent.tui.screens.replay import ReplayScreen
from tests.tui.replay_screen import record, replay

LOST = EpisodeSummary(
    id="a1",
    shard="x.jsonl",
    line=1,
    offset=0,
    length=1,
    env="alfworld",
    task="valid_seen/heat-potato",
    goal="Heat a Potato",
    outcome=Outcome.HORIZON,
    turns=50,
    values=(0.4, 0.9),
    actors=(Actor.POLICY, Actor.HUMAN),
    human_turns=1,
    surprise=0.55,
    task_type="pick_heat_then_place_in_recep",
    created="2026-01-01",
)


def matches(text: str, summary: EpisodeSummary = LOST) -> bool:
    return Query.parse(text).matches(Entry(Path("x.jsonl"), summary))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POTATO heat",
        "won:no by:human",
        "lost",
        "by:policy type:pick_heat branch:no",
        "turns>20 turns<=50 human=1",
        "surprise>.5 value<0.5",
        "horizon",
    ],
)
def test_the_filter_finds_what_has_all_of_it(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    ["mug", "won", "won:yes", "by:expert", "turns>50", "surprise<.5", "branch:yes", "turns>"],
)
def test_the_filter_leaves_out_what_lacks_a_part(text: str) -> None:
    assert not matches(text)


def test_a_figure_that_is_unknown_holds_nowhere() -> None:
    unknown = msgspec.structs.replace(LOST, surprise=None, values=())
    assert not matches("surprise<9", unknown)
    assert not matches("value>-9", unknown)


def test_the_orders_put_the_surprising_the_long_and_the_new_first() -> None:
    calm = msgspec.structs.replace(LOST, surprise=0.1, turns=60, created="2026-02-01")
    unknown = msgspec.structs.replace(LOST, surprise=None, turns=3, created=None)
    entries = [Entry(Path("x.jsonl"), summary) for summary in (unknown, calm, LOST)]
    arranged = {order: [e.summary for e in order.arrange(entries)] for order in Order}
    assert arranged[Order.SURPRISE] == [LOST, calm, unknown]
    assert arranged[Order.LONGEST] == [calm, LOST, unknown]
    assert arranged[Order.NEWEST] == [calm, LOST, unknown]
    assert arranged[Order.RECORDED] == [unknown, calm, LOST]


def test_a_summary_names_who_acted_and_the_largest_surprise(tmp_path: Path) -> None:
    won, unfinished = EpisodeStore(record(tmp_path / "episodes")).summaries()
    assert won.actors == (Actor.POLICY,)
    assert won.surprise == pytest.approx(0.27)
    assert unfinished.actors == (Actor.POLICY, Actor.HUMAN)


def test_an_index_that_lacks_who_acted_is_built_anew(tmp_path: Path) -> None:
    store = record(tmp_path / "episodes")
    index = store / "index.json"
    document = msgspec.json.decode(index.read_bytes())
    for summary in document["shards"]["live.jsonl"]["episodes"]:
        del summary["actors"]
    index.write_bytes(msgspec.json.encode(document))
    assert [entry.summary.actors[0] for entry in read_library([store])] == [Actor.POLICY] * 2


def test_a_folder_stands_for_every_store_in_it_but_not_for_the_logs_of_its_runs(
    tmp_path: Path,
) -> None:
    stores = ("play", "collected/episodes", "demo/episodes/rollouts")
    for store in stores:
        record(tmp_path / store)
    (tmp_path / "demo" / "metrics").mkdir()
    (tmp_path / "demo" / "metrics" / "sft.jsonl").write_text('{"loss": 1}\n')
    listed = {entry.path.parent for entry in read_library([tmp_path])}
    assert listed == {tmp_path / store for store in stores}


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
