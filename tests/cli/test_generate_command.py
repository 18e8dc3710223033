"""Curricula on the command line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.errors import ExitCode


def generate(*options: str) -> int:
    return main(["data", "generate", "houses", *options])


def test_a_curriculum_reaches_the_houses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "houses"
    code = generate(
        *("--count", "8", "--out", str(out), "--json", "--quiet", "--goals", "varied"),
        *("--receptacles", "4-6", "--distractors", "2"),
        *("--task-types", "pick_and_place_simple=3,pick_two_obj_and_place"),
    )
    assert code == ExitCode.OK
    asked = {
        "receptacles": [4, 6],
        "distractors": [2, 2],
        "task_types": {"pick_and_place_simple": 3.0, "pick_two_obj_and_place": 1.0},
        "goals": "varied",
    }
    assert json.loads(capsys.readouterr().out)["curriculum"] == asked
    assert json.loads((out / "manifest.json").read_text())["curriculum"] == asked
    types = Counter(p.parents[1].name.split("-")[0] for p in out.rglob("game.tw-pddl"))
    assert types == {"pick_and_place_simple": 6, "pick_two_obj_and_place": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--receptacles", "many"), "--receptacles 'many' is no range"),
        (("--receptacles", "9-4"), "receptacles from 9 to 4 is no range"),
        (("--objects", "9-12", "--distractors", "2"), "objects and distractors both"),
        (("--task-types", "dance"), "unknown task type 'dance'"),
        (("--task-types", "look_at_obj_in_light=much"), "the weight 'much'"),
    ],
)
def test_wishes_without_meaning_are_one_clear_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    out = tmp_path / "houses"
    assert generate("--out", str(out), *options) == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert not out.exists()
