"""The list of the episodes that lie in folders and files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from oreo_agent.episodes import Actor, EpisodeStore
from oreo_agent.episodes.catalog import read_catalog
from tests.tui.replay_screen import record


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
    assert [entry.summary.actors[0] for entry in read_catalog([store])] == [Actor.POLICY] * 2


def test_a_folder_stands_for_every_store_in_it_but_not_for_the_logs_of_its_runs(
    tmp_path: Path,
) -> None:
    stores = ("play", "collected/episodes", "demo/episodes/rollouts")
    for store in stores:
        record(tmp_path / store)
    (tmp_path / "demo" / "metrics").mkdir()
    (tmp_path / "demo" / "metrics" / "sft.jsonl").write_text('{"loss": 1}\n')
    listed = {entry.path.parent for entry in read_catalog([tmp_path])}
    assert listed == {tmp_path / store for store in stores}
