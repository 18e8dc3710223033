"""Translates games into the disk cache before they are played, in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from oreo_agent.envs.alfworld.adapter import AlfworldEnv
from oreo_agent.envs.alfworld.game import is_warm
from oreo_agent.envs.core import EnvError, TaskId
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.errors import MissingError

_SECONDS_PER_GAME = 120.0
_GAMES_AT_ONCE = 4  # of each worker: few enough to show progress, enough to keep all busy


def tasks_of(env: AlfworldEnv, splits: Sequence[str] = ()) -> list[TaskId]:
    """Return the tasks of some splits; with none named, of every split that has games.

    Raises:
        UsageError: A split is unknown.
        MissingError: A split that is named has no games, or none has.
    """
    found: list[TaskId] = []
    missing: MissingError | None = None
    for split in splits or env.spec.splits:
        try:
            found += env.tasks(split)
        except MissingError as error:
            if splits:
                raise
            missing = error
    if missing is not None and not found:
        raise missing
    return found


def is_precompiled(env: AlfworldEnv, task: TaskId) -> bool:
    """Whether the cache holds a game's translation; False for a game that cannot be read."""
    try:
        return is_warm(env.source.path(task))
    except EnvError:
        return False  # translating it reports what is wrong with it


def precompile(
    options: Mapping[str, object], tasks: Sequence[TaskId], *, workers: int
) -> Iterator[tuple[TaskId, str]]:
    """Yield each game when it is in the cache, with what is wrong with it; empty for nothing.

    Args:
        options: Options of the environment that has the games.
        tasks: The games.
        workers: Processes at work, at most.
    """
    if not tasks:
        return
    processes = min(workers, len(tasks))
    # Never in this process: the translator swaps sys.stdout, and a hostile game may not end.
    with WorkerPool("alfworld", options, processes=processes, time_limit=_SECONDS_PER_GAME) as pool:
        slots = processes * _GAMES_AT_ONCE
        for start in range(0, len(tasks), slots):
            batch = dict(enumerate(tasks[start : start + slots]))
            answers = pool.reset({slot: (task, 0) for slot, task in batch.items()})
            for slot, task in batch.items():
                answer = answers[slot]
                yield task, str(answer) if isinstance(answer, EnvFault) else ""
