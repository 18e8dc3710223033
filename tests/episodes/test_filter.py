"""The filter of listed episodes, and their orders."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.episodes import Actor, EpisodeSummary, Outcome
from oreo_agent.episodes.catalog import Entry
from oreo_agent.episodes.filter import EpisodeFilter, SortOrder

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
    return EpisodeFilter.parse(text).matches(Entry(Path("x.jsonl"), summary))


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
    arranged = {order: [e.summary for e in order.arrange(entries)] for order in SortOrder}
    assert arranged[SortOrder.SURPRISE] == [LOST, calm, unknown]
    assert arranged[SortOrder.LONGEST] == [calm, LOST, unknown]
    assert arranged[SortOrder.NEWEST] == [calm, LOST, unknown]
    assert arranged[SortOrder.RECORDED] == [unknown, calm, LOST]
