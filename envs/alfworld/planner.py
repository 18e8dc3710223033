"""The planner, on demand: commands that win a game, searched in a process of its own.

A search takes a tenth of a second as a rule, minutes now and then, and cannot be interrupted.
Nothing that plays episodes calls it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.gamefile import clipped, decode_game, read_bounded
from oreo_agent.envs.alfworld.translation import translate_for_planner
from oreo_agent.envs.core import EnvError

__all__ = ["plan"]


def plan(
    path: Path, commands: Sequence[str] = (), *, time_limit: float = 60.0
) -> tuple[str, ...] | None:
    """Return commands that win a game from where some commands have led.

    Args:
        path: The ``game.tw-pddl``.
        commands: What was played before.
        time_limit: Seconds after which the search is killed; loading the game counts.

    Returns:
        The commands, none of them where the game is won; None where it cannot be won any more.

    Raises:
        EnvError: The game is damaged, or the time limit has passed.
    """
    question = _Question(path=str(path.resolve()), commands=tuple(commands))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=msgspec.json.encode(question),
            capture_output=True,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvError(
            f"{path}: the planner found nothing within {time_limit:g} s.",
            "Allow it more time, or leave it.",
        ) from error
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError as error:
        last = clipped(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise EnvError(
            f"{path}: the planner ended with code {done.returncode}: {last}.",
            "Fetch or generate the game again.",
        ) from error
    if answer.error:
        raise EnvError(answer.error, answer.fix)
    return answer.plan


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    commands: tuple[str, ...]


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    plan: tuple[str, ...] | None = None
    error: str = ""
    fix: str = ""


def _main() -> None:
    output = os.dup(1)
    os.dup2(2, 1)  # what the library prints must not reach the answer
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=_Question)
    try:
        answer = _Answer(plan=_search(Path(question.path), question.commands))
    except EnvError as error:
        answer = _Answer(error=error.what, fix=error.fix)
    with open(output, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
        file.write(msgspec.json.encode(answer))


def _search(path: Path, commands: Sequence[str]) -> tuple[str, ...] | None:
    with contextlib.closing(PddlEngine()) as engine:
        engine.reset(path)  # refuses what is damaged or hostile before the planner sees it
        for command in commands:
            engine.step(command)
        file = decode_game(str(path), read_bounded(path))
        task = translate_for_planner(file.pddl_domain, file.pddl_problem)
        return engine.search(task.encode("utf-8"))


if __name__ == "__main__":
    _main()
