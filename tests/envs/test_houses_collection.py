"""Folders of generated houses: balanced, resumable, never mixed."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from oreo_agent.envs.alfworld.houses import (
    MANIFEST,
    collection,
    default_root,
    ensure_houses,
)
from oreo_agent.errors import ConfigError, RunFailedError, UsageError

_COUNTS = {"train": 12, "valid_seen": 6, "valid_unseen": 6}


def files_of(root: Path) -> Mapping[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished collection; copy it before changing it."""
    return ensure_houses(counts=_COUNTS, seed=7, root=tmp_path_factory.mktemp("houses"))


def test_task_types_are_balanced_in_every_split(finished: Path) -> None:
    for split, count in _COUNTS.items():
        types = Counter(
            p.name.split("-")[0] for p in (finished / split).glob("*") for _ in p.iterdir()
        )
        assert len(types) == 6
        assert set(types.values()) == {count // 6}


def test_manifest_names_every_game(finished: Path) -> None:
    manifest = json.loads((finished / MANIFEST).read_text())
    listed = {task for tasks in manifest["tasks"].values() for task in tasks}
    there = {str(p.parent.relative_to(finished)) for p in finished.rglob("game.tw-pddl")}
    assert listed == there
    assert len(there) == sum(_COUNTS.values())
    assert (manifest["size"], manifest["seed"], manifest["counts"]) == ("small", 7, _COUNTS)


def test_a_finished_folder_is_not_touched(finished: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    assert ensure_houses(counts=_COUNTS, seed=7, root=finished) == finished
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


def test_an_interrupted_generation_resumes_to_the_same_bytes(
    finished: Path, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == sum(_COUNTS.values())
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_houses(counts=_COUNTS, seed=7, root=tmp_path, progress=interrupt)
    assert len(list(tmp_path.rglob("game.tw-pddl"))) == 9
    (tmp_path / ".partial-99" / "trial").mkdir(parents=True)
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("game.tw-pddl")}
    ensure_houses(counts=_COUNTS, seed=7, root=tmp_path)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert files_of(tmp_path) == files_of(finished)


def test_a_deleted_game_comes_back(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(finished, root)
    shutil.rmtree(next(root.rglob("game.tw-pddl")).parent)
    ensure_houses(counts=_COUNTS, seed=7, root=root)
    assert files_of(root) == files_of(finished)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"counts": _COUNTS, "seed": 8}, "says seed 7, but 8 was asked for"),
        ({"counts": _COUNTS, "seed": 7, "size": "full"}, "says size small, but full"),
        ({"counts": {"train": 13}, "seed": 7}, "says counts"),
    ],
)
def test_a_folder_of_other_houses_is_refused(
    finished: Path, wish: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ensure_houses(root=finished, **wish)  # type: ignore[arg-type]  # the table mixes types


def test_a_split_of_no_houses_is_like_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))
    first = ensure_houses(counts={"train": 1, "valid_seen": 0}, seed=1)
    assert ensure_houses(counts={"train": 1}, seed=1) == first
    manifest = json.loads((first / MANIFEST).read_text())
    (first / MANIFEST).write_text(json.dumps(manifest | {"counts": {"train": 1, "valid_seen": 0}}))
    assert ensure_houses(counts={"train": 1}, seed=1) == first


def test_houses_of_another_alfworld_are_not_mixed_with_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))
    ours = ensure_houses(counts={"train": 1}, seed=1)
    monkeypatch.setattr(collection, "_alfworld_version", lambda: "0.4.9")
    with pytest.raises(ConfigError, match=r"says alfworld .*, but 0\.4\.9 was asked for"):
        ensure_houses(counts={"train": 1}, seed=1, root=ours)
    assert default_root(size="small", counts={"train": 1}, seed=1) != ours


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"unknown": 1}', "[]"])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        ensure_houses(counts=_COUNTS, seed=7, root=tmp_path)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="not empty"):
        ensure_houses(counts=_COUNTS, seed=7, root=tmp_path)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailedError, match="cannot write"):
        ensure_houses(counts=_COUNTS, seed=7, root=tmp_path / "file" / "houses")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"counts": {"test": 1}, "seed": 0}, "unknown split 'test'"),
        ({"counts": {"train": -1}, "seed": 0}, "cannot make -1 houses"),
        ({"counts": {"train": 1}, "seed": -1}, "seed -1 is negative"),
        ({"counts": {"train": 1}, "seed": 0, "size": "tiny"}, "unknown house size 'tiny'"),
    ],
)
def test_impossible_collections_are_refused(
    tmp_path: Path, wish: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ensure_houses(root=tmp_path, **wish)  # type: ignore[arg-type]  # the table mixes types


def test_verified_houses_are_played_before_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path / "cache"))
    root = ensure_houses(counts={"train": 2}, seed=1, verify=True)
    assert root == default_root(size="small", counts={"train": 2}, seed=1)
    assert root.is_relative_to(tmp_path / "cache")
    assert len(list(root.rglob("game.tw-pddl"))) == 2
    assert any((tmp_path / "cache" / "translations").rglob("*.z"))
