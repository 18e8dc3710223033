"""What the environment tests share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Worker processes inherit this path: scripted environments are named as module:factory.
sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture(scope="session")
def house_game(house_folder: Path) -> Path:
    """One generated game's file."""
    return sorted(house_folder.glob("valid_seen/*/*/game.tw-pddl"))[0]


@pytest.fixture
def altered_game(house_game: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of a generated game with some of its keys changed by functions of their text."""

    def alter(**changes: Callable[[str], str]) -> Path:
        data: dict[str, Any] = json.loads(house_game.read_text())
        for key, change in changes.items():
            before = data[key]
            data[key] = change(before)
            assert data[key] != before
        path = tmp_path / "game.tw-pddl"
        path.write_text(json.dumps(data))
        return path

    return alter
