"""Damaged and invented records are refused with our own errors, and hurt nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.episodes import EpisodeStore, Outcome
from oreo_agent.importing import ImportOptions, import_logs
from tests.importing.log_variants import (
    CALLS,
    DECORATIONS,
    HARNESSES,
    OPENINGS,
    SPEAKERS,
    Game,
    Variant,
    play,
)

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 10**30, "", " ", "\n", "\x00", "\u202e", "💥", [], {}, [[]]),
    *(
        "Action:",
        "```",
        "> ",
        "{",
        "}",
        '{"action": {"action": {}}}',
        "<action></action>",
        "think:",
    ),
    *("Your task is to:", "Your task is to: .", "You are in the middle of a room.", "Observation:"),
    *({"type": "text"}, {"type": "text", "text": 3}, {"type": "tool_use"}, {"text": {}}, "OK."),
    *([{"function": {"name": "act", "arguments": "{"}}], {"name": "", "arguments": []}, "nan"),
    *("AVAILABLE ACTIONS:", "Action: act\nAction Input:", '{"function": "go", "args": [1]}'),
)
KEYS = (
    *("role", "content", "from", "value", "tool_calls", "function_call", "action", "parts", "won"),
    *("weight", "loss", "meta", "reward", "game", "steps", "observation", "messages", "done"),
)


@pytest.fixture(scope="module")
def game(house_folder: Path) -> Game:
    """A game of four turns."""
    return play(house_folder)


def transcript(game: Game) -> dict[str, Any]:
    steps = [{"action": step.action, "observation": step.answer} for step in game.steps]
    return {"initial_observation": f"{game.room}\n{game.goal}", "steps": steps, "won": True}


def mutated(rng: random.Random, value: Any) -> Any:
    """Return a value with something odd somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        kind = rng.randrange(6)
        if kind == 0:
            return {k: v for k, v in value.items() if k != key}
        if kind == 1:
            return {**value, rng.choice(KEYS): rng.choice(ODD)}
        return {**value, key: mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        place, kind = rng.randrange(len(value)), rng.randrange(8)
        if kind == 0:
            return value[:place] + value[place + 1 :]
        if kind == 1:
            return [*value, value[place]]
        if kind == 2:
            return rng.sample(value, len(value))
        return [*value[:place], mutated(rng, value[place]), *value[place + 1 :]]
    if isinstance(value, str) and value and rng.random() < 0.8:
        start, end = sorted(rng.randrange(len(value) + 1) for _ in range(2))
        middle = rng.choice(["", value, str(rng.choice(ODD)), value[start:end] * 3])
        return value[:start] + middle + value[end:]
    return rng.choice(ODD)


def lines(game: Game, format: str, count: int, seed: int) -> list[bytes]:
    """Return records of a format, each with one to four odd things in it, or torn bytes."""
    rng = random.Random(f"{seed}/{format}")
    speakers = [speakers for speakers in SPEAKERS if speakers[0] == format]
    found = []
    for _ in range(count):
        record: Any = transcript(game)
        if speakers:
            record = Variant(
                speakers=rng.choice(speakers),
                opening=rng.choice(list(OPENINGS)),
                harness=rng.choice(list(HARNESSES)),
                decoration=rng.choice(list(DECORATIONS)),
                call=rng.choice([None, *CALLS]),
                repeats_goal=rng.random() < 0.3,
            ).write(game)
        for _ in range(rng.randint(1, 4)):
            record = mutated(rng, record)
        line = json.dumps(record, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
        if rng.random() < 0.1:
            place = rng.randrange(len(line) + 1)
            line = (
                line[:place] + rng.randbytes(rng.randrange(4)).replace(b"\n", b" ") + line[place:]
            )
        found.append(line)
    return found


def survive(game: Game, games: Path | None, folder: Path, count: int, seed: int) -> None:
    """Import mutated records; the good one among them has to be there in the end."""
    good = {"openai": Variant().write(game), "transcripts": transcript(game)}
    good["sharegpt"] = Variant(speakers=("sharegpt", "human", "gpt")).write(game)
    for format, record in good.items():
        file, out = folder / f"{format}.jsonl", folder / format
        records = [json.dumps(record).encode(), *lines(game, format, count // 3 + 1, seed)]
        file.write_bytes(b"\n".join(records))
        named = None if games is None else str(games)
        options = ImportOptions(format=format, games=named, skip_bad=True)
        (report,) = import_logs([file], out, options)
        episodes = list(EpisodeStore(out).read())
        assert len(episodes) == len(report.episodes)
        assert len(episodes) + len(report.left_out) == sum(bool(line.strip()) for line in records)
        assert [t.executed.action for t in episodes[0].turns] == [s.action for s in game.steps]
        if games is None:
            assert not any(episode.outcome is Outcome.SUCCESS for episode in episodes)


def test_mutated_records_raise_nothing_but_our_own_errors(game: Game, tmp_path: Path) -> None:
    survive(game, None, tmp_path, 600, seed=1)


def test_mutated_records_are_replayed_without_harm(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    survive(game, house_folder, tmp_path, 150, seed=2)


@pytest.mark.slow
def test_ten_thousand_mutated_records_raise_nothing_but_our_own_errors(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    survive(game, house_folder, tmp_path, 10_000, seed=3)
