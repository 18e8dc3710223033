"""A curriculum and a dialect as settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oreo_agent.config import resolve
from oreo_agent.envs import make
from oreo_agent.errors import ConfigError, OreoAgentError, UsageError
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import config_type
from oreo_agent.training.stages import prepare_tasks

FEW = ("games.train=2", "games.validation=1", "games.valid_seen=1", "games.valid_unseen=1")


def options(*sets: str) -> dict[str, Any]:
    """Return the options that open the games of such a run."""
    config = resolve(config_type("alfworld"), env={}, sets=[*FEW, *sets]).value
    return prepare_tasks(config, ProgressCallback())


def test_a_run_with_wishes_plays_houses_of_that_kind() -> None:
    wishes = ("games.receptacles=4-5", "games.task_types=look_at_obj_in_light")
    env = make("alfworld", **options(*wishes))
    tasks = env.tasks("train")
    assert len(tasks) == 3
    assert {env.task_info(task)["type"] for task in tasks} == {"look_at_obj_in_light"}
    for task in tasks:
        room = env.reset(task).text.split("you see ", 1)[1].split(".", 1)[0]
        assert 4 <= room.count(",") + 1 <= 5
    env.close()


def test_the_wishes_are_named_where_the_games_come_from() -> None:
    config = resolve(config_type("alfworld"), env={}, sets=["games.goals=varied"]).value
    assert config.plan().source == "houses (small, goals varied)"
    assert config_type("alfworld")().plan().source == "houses (small)"


def test_without_wishes_the_houses_are_those_of_before() -> None:
    plain = options()
    assert Path(str(plain["games"])).name.endswith("-train3-valid_seen1-valid_unseen1")
    assert set(plain) == {"games", "horizon"}


@pytest.mark.parametrize(
    ("sets", "kind", "said"),
    [
        (("games.receptacles=many",), UsageError, "games.receptacles 'many' is no range"),
        (("games.receptacles=9-4",), UsageError, "receptacles from 9 to 4"),
        (("games.objects=9", "games.distractors=4"), UsageError, "objects and distractors"),
        (("games.task_types=dance",), UsageError, "unknown task type 'dance'"),
        (("games.source=official", "games.goals=varied"), ConfigError, "games.goals is for"),
        (("games.goals=funny",), ConfigError, "games.goals is 'funny'"),
        (("games.dialect=pirate",), ConfigError, "games.dialect is 'pirate'"),
    ],
)
def test_a_wish_without_meaning_is_refused_before_any_work(
    sets: tuple[str, ...], kind: type[OreoAgentError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        resolve(config_type("alfworld"), env={}, sets=list(sets)).value.plan()


def test_a_run_speaks_the_dialect_that_is_asked_for() -> None:
    env = make("alfworld", **options("games.dialect=put"))
    assert {env.task_info(task)["dialect"] for task in env.tasks("train")} == {"put"}
    env.close()
