"""The disk cache, and the translations in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from oreo_agent.envs.alfworld import grammar, translation
from oreo_agent.envs.alfworld.cache import DiskCache, cache_root
from oreo_agent.envs.alfworld.translation import Translation, translate


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache")


def test_what_was_written_is_read_back(cache: DiskCache) -> None:
    key = cache.key("a")
    assert cache.read(key) is None
    cache.write(key, b"data" * 1000)
    assert DiskCache(cache.folder).read(key) == b"data" * 1000
    assert not list(cache.folder.rglob("*.tmp"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:40],
        lambda raw: raw[:-1],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: b"{}",
    ],
    ids=["empty", "header cut", "tail cut", "bit flipped", "foreign"],
)
def test_a_torn_file_counts_as_absent(
    cache: DiskCache, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    key = cache.key("a")
    cache.write(key, b"data")
    cache.path(key).write_bytes(damage(cache.path(key).read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cache.read(key) is None
    assert str(cache.path(key)) in caplog.text
    cache.write(key, b"data")
    assert cache.read(key) == b"data"


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache")
    cache.write(cache.key("a"), b"data")
    assert cache.read(cache.key("a")) is None


def test_keys_tell_where_a_part_ends() -> None:
    assert DiskCache.key("ab", "c") != DiskCache.key("a", "bc")


def test_the_cache_root_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))
    assert cache_root() == tmp_path


@pytest.fixture
def texts(house_game: Path) -> tuple[str, str]:
    game = json.loads(house_game.read_text())
    return game["pddl_domain"], game["pddl_problem"]


def test_a_translation_is_made_once(
    cache: DiskCache, texts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = translate(*texts, where="x", cache=cache)

    def refuse(domain: str, problem: str, where: str) -> Translation:
        raise AssertionError("translated again")

    monkeypatch.setattr(translation, "_translate", refuse)
    assert translate(*texts, where="x", cache=cache) == first
    with pytest.raises(AssertionError, match="translated again"):
        translate(texts[0], texts[1] + "\n", where="x", cache=cache)


def test_a_torn_translation_is_made_again(cache: DiskCache, texts: tuple[str, str]) -> None:
    first = translate(*texts, where="x", cache=cache)
    (path,) = cache.folder.rglob("*.z")
    path.write_bytes(path.read_bytes()[:1000])
    assert translate(*texts, where="x", cache=cache) == first
    assert cache.read(path.stem) is not None


def test_the_translators_version_is_part_of_the_key(
    cache: DiskCache, texts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    translate(*texts, where="x", cache=cache)
    monkeypatch.setattr(translation, "_translator_version", lambda: "another")
    translate(*texts, where="x", cache=cache)
    assert len(list(cache.folder.rglob("*.z"))) == 2


def test_the_parsers_version_is_part_of_a_grammars_key(
    cache: DiskCache, house_game: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.loads(house_game.read_text())["grammar"]
    for _ in range(2):
        grammar.load_grammar(text, where="x", cache=cache)
    assert len(list(cache.folder.rglob("*.z"))) == 1
    monkeypatch.setattr(grammar, "_parser_version", lambda: "another")
    grammar.load_grammar(text, where="x", cache=cache)
    assert len(list(cache.folder.rglob("*.z"))) == 2


def test_nothing_in_the_cache_is_a_pickle(cache: DiskCache, texts: tuple[str, str]) -> None:
    translate(*texts, where="x", cache=cache)
    (path,) = cache.folder.rglob("*.z")
    kept = json.loads(cache.read(path.stem) or b"")
    assert set(kept) == set(Translation.__struct_fields__)
