from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oreo_agent.envs import EnvError, TextEnv, make
from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.envs.alfworld.dialects import swap_command, to_move, to_put
from oreo_agent.errors import UsageError

PATCH = (  # what alfworld 0.4.0 replaced in the grammars of the official games, and the help text
    ("You arrive at {lend.name}.", "You arrive at {r.name}."),
    ("put {o} in/on {r}", "move {o} to {r}"),
    ("You put the {o.name} in/on the {r.name}.", "You move the {o.name} to the {r.name}."),
    ("  put (object) in/on (receptacle):", "  move (object) to (receptacle):"),
)


def make_old(game: Path, folder: Path) -> None:
    """Write a `move` game as it was before the patch."""
    folder.mkdir(parents=True)
    file = json.loads(game.read_text("utf-8"))
    for old, new in PATCH:
        assert new in file["grammar"]
        file["grammar"] = file["grammar"].replace(new, old)
    file["walkthrough"] = [swap_command(command) for command in file["walkthrough"]]
    (folder / game.name).write_text(json.dumps(file), "utf-8")
    trajectory = game.with_name("traj_data.json")
    (folder / trajectory.name).write_bytes(trajectory.read_bytes())


@pytest.fixture(scope="module")
def worlds(house_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same three games twice: as they are, and as they were before the patch."""
    new, old = tmp_path_factory.mktemp("new"), tmp_path_factory.mktemp("old")
    for game in sorted(house_folder.glob("valid_seen/*/*/game.tw-pddl"))[:3]:
        place = game.parent.relative_to(house_folder)
        shutil.copytree(game.parent, new / place)
        make_old(game, old / place)
    return new, old


def transcript(env: AlfworldEnv, task: str, turns: int = 40) -> list[object]:
    """Play the walkthrough among random commands, right ones and ones of the other dialect."""
    rng = random.Random(task)
    plan = list(env.walkthrough(task) or ())
    seen = env.reset(task)
    found: list[object] = [seen, tuple(plan), env.task_info(task)["dialect"]]
    for turn in range(turns):
        assert seen.admissible is not None
        action = rng.choice(seen.admissible)
        if turn % 5 == 4:
            action = swap_command(action)
        elif turn % 2 and plan:
            action = plan.pop(0)
        result = env.step(action)
        seen = result.observation
        found.append((action, result))
        if result.terminated:
            break
    return found


@pytest.mark.parametrize(("speaks", "of"), [("put", 0), ("move", 1)])
def test_a_game_spoken_in_the_other_dialect_is_byte_for_byte_a_game_of_that_dialect(
    worlds: tuple[Path, Path], speaks: str, of: int
) -> None:
    translated = AlfworldEnv(games=worlds[of], dialect=speaks)
    genuine = AlfworldEnv(games=worlds[1 - of])
    for task in genuine.tasks("valid_seen"):
        assert transcript(translated, task) == transcript(genuine, task)


def test_the_default_is_each_game_s_own_dialect(worlds: tuple[Path, Path]) -> None:
    for folder, dialect in zip(worlds, ("move", "put"), strict=True):
        env = AlfworldEnv(games=folder)
        task = env.tasks("valid_seen")[0]
        assert env.task_info(task)["dialect"] == dialect
        assert transcript(env, task) == transcript(AlfworldEnv(games=folder, dialect=dialect), task)


def test_the_translated_walkthrough_wins(worlds: tuple[Path, Path]) -> None:
    env = AlfworldEnv(games=worlds[0], dialect="put")
    for task in env.tasks("valid_seen"):
        env.reset(task)
        commands = env.walkthrough(task)
        assert commands is not None
        assert [env.step(command).terminated for command in commands][-1]


def test_a_command_of_the_dialect_that_is_not_spoken_is_a_wrong_one(
    worlds: tuple[Path, Path],
) -> None:
    env = AlfworldEnv(games=worlds[0], dialect="put")
    task = next(t for t in env.tasks("valid_seen") if "then_place" in t or "and_place" in t)
    *others, last = env.walkthrough(task) or ()
    assert last.startswith("put ")
    env.reset(task)
    for command in others:
        env.step(command)
    wrong = env.step(swap_command(last))
    assert (wrong.observation.text, wrong.terminated) == ("Nothing happens.", False)
    assert env.step(last).terminated


def test_the_dialect_reaches_an_environment_in_a_worker(worlds: tuple[Path, Path]) -> None:
    env: TextEnv = make("alfworld", worker=True, games=str(worlds[0]), dialect="put")
    try:
        task = env.tasks("valid_seen")[0]
        first = env.reset(task).admissible
        assert first is not None
        went = env.step(next(c for c in first if c.startswith("go to ")))
        assert went.observation.text.startswith("You arrive at loc ")
    finally:
        env.close()


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="native, move, put"):
        AlfworldEnv(dialect="latin")


def test_a_game_of_neither_dialect_is_not_translated(
    altered_game: Callable[..., Path],
) -> None:
    game = altered_game(grammar=lambda text: text.replace("move {o} to {r}", "lay {o} by {r}"))
    folder = game.parents[1]
    env = AlfworldEnv(games=folder, dialect="put")
    with pytest.raises(EnvError, match="'lay' cannot be translated"):
        env.reset(game.parent.relative_to(folder).as_posix())


@pytest.mark.parametrize(
    ("put", "move"),
    [
        ("put mug 1 in/on shelf 2", "move mug 1 to shelf 2"),
        ("put cool tomato 1 in/on fridge 1", "move cool tomato 1 to fridge 1"),
    ],
)
def test_commands_have_two_wordings(put: str, move: str) -> None:
    assert (swap_command(put), swap_command(move)) == (move, put)


@pytest.mark.parametrize(
    "command",
    ["look", "go to shelf 1", "put mug 1 in shelf 1", "put spoon 1 into mug 1", "move to", ""],
)
def test_other_commands_have_one_wording(command: str) -> None:
    assert swap_command(command) == command


WORDS = st.sampled_from(["put", "move", "to", "in/on", "mug", "1", "\n", "  ", "ü", "[b]", ""])


@settings(deadline=None)  # the machine may be busy
@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text())
def test_swapping_twice_gives_back_every_command(command: str) -> None:
    swapped = swap_command(command)
    assert swap_command(swapped) == (command if swapped == command else command.strip())


PLACES = {"shelf 1": "loc 7"}


@pytest.mark.parametrize(
    ("put", "move"),
    [
        ("You put the mug 1 in/on the shelf 1.", "You move the mug 1 to the shelf 1."),
        ("You put the mug 1 in/on the shelf 1.\n", "You move the mug 1 to the shelf 1.\n"),
        (
            "You arrive at loc 7. On the shelf 1, you see nothing.",
            "You arrive at shelf 1. On the shelf 1, you see nothing.",
        ),
        (
            "You arrive at loc 7. The shelf 1 is closed.",
            "You arrive at shelf 1. The shelf 1 is closed.",
        ),
        ("On the shelf 1, you see a mug 1.", "On the shelf 1, you see a mug 1."),
        ("Nothing happens.", "Nothing happens."),
    ],
)
def test_answers_are_translated_both_ways(put: str, move: str) -> None:
    assert (to_move(put), to_put(move, PLACES)) == (move, put)


def test_a_place_without_a_known_spot_keeps_its_name() -> None:
    text = "You arrive at desk 1. On the desk 1, you see nothing."
    assert to_put(text, PLACES) == text


def test_long_hostile_text_is_translated_in_no_time() -> None:
    text = "put " + "a in/on " * 100_000
    assert swap_command(text) == text
    assert to_move("You put the " + "." * 200_000) == "You put the " + "." * 200_000
