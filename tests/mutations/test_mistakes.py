"""Every trap has a test and a mistake that can be planted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations.mistakes import MISTAKES, Mistake, spoil

ROOT = Path(__file__).parents[2]
TRAPS = set(range(1, 33))


def traps_with_a_test() -> set[int]:
    """Return the traps that have a test."""
    found: set[int] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        names = re.findall(r"^(?:async )?def test_trap_(\d\d)_", file.read_text("utf-8"), re.M)
        found |= {int(number) for number in names}
    return found


def test_every_trap_has_a_test_and_a_mistake() -> None:
    assert traps_with_a_test() == {mistake.trap for mistake in MISTAKES} == TRAPS


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m.trap:02} {m.what}")
def test_a_mistake_changes_one_expression_of_the_source(mistake: Mistake) -> None:
    file, text = spoil(ROOT, mistake)
    right = ast.unparse(ast.parse(file.read_text(encoding="utf-8"))).splitlines()
    assert len(set(text.splitlines()) - set(right)) == 1


@pytest.mark.slow
def test_every_mistake_is_noticed() -> None:
    plant = Path(__file__).with_name("plant.py")
    done = subprocess.run([sys.executable, str(plant)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
