"""The planner, on demand: commands that win a game, searched in a worker process.

A search takes a tenth of a second as a rule, minutes now and then, and cannot be interrupted.
Nothing that plays episodes calls it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.gamefile import clipped, decode_game, read_bounded
from oreo_agent.envs.alfworld.translation import translate_for_planner
from oreo_agent.envs.core import EnvError
from oreo_agent.envs.worker.child import connect
from oreo_agent.envs.worker.process import WorkerLostError, WorkerProcess
from oreo_agent.envs.worker.protocol import EnvFault


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
    worker = WorkerProcess(
        __name__,
        _Question(path=str(path.resolve()), commands=tuple(commands)),
        msgspec.json.Decoder(_Answer).decode,
        start_limit=time_limit,
    )
    with contextlib.closing(worker):
        try:
            answer = worker.ready()
        except WorkerLostError as lost:
            if lost.overdue:
                raise EnvError(
                    f"{path}: the planner found nothing within {time_limit:g} s.",
                    "Allow it more time, or leave it.",
                ) from lost
            raise EnvError(
                f"{path}: the planner failed: {clipped(lost)}",
                "Fetch or generate the game again.",
            ) from lost
    if answer.fault is not None:
        raise answer.fault.error()
    return answer.plan


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    commands: tuple[str, ...]


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    plan: tuple[str, ...] | None = None
    fault: EnvFault | None = None


def _main() -> None:
    parent = connect()
    question = msgspec.json.decode(parent.receive(), type=_Question)
    try:
        answer = _Answer(plan=_search(Path(question.path), question.commands))
    except EnvError as error:
        answer = _Answer(fault=EnvFault.of(error))
    parent.send(answer)


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
