"""The environment contract as a check that anyone can run on an environment."""

from __future__ import annotations

import contextlib
import io
import math
import os
import random
import tempfile
from collections.abc import Iterator, Sequence

from oreo_agent.envs.core import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    ForkableEnv,
    Observation,
    StepResult,
    TaskId,
    TextEnv,
)
from oreo_agent.errors import MissingError, UsageError

_NONSENSE = "xyzzy this is no action"
_Transcript = list[Observation | StepResult]


def check_env(
    env: TextEnv,
    *,
    task: TaskId | None = None,
    seed: int = 0,
    actions: Sequence[str] = (_NONSENSE,),
) -> None:
    """Check that an environment keeps the contract of `TextEnv`.

    Args:
        env: A new environment, not yet reset. It is closed at the end.
        task: The task to play; by default the first one of the first split that has any.
        seed: Seed of the episodes and of the choice among admissible actions.
        actions: What to send in turn where the environment lists no admissible actions.

    Raises:
        EnvError: The contract is broken; the message names the clause and what was seen.
    """
    try:
        with _silent():
            _check_spec(env.spec)
            _raises_episode_over(env, "before reset")
            task = _check_tasks(env, task)
            first, taken, ended = _play(env, task, seed, actions)
            _require(
                ended, "an episode ends within the horizon", f"not after {env.spec.horizon} turns"
            )
            _raises_episode_over(env, "after the end of an episode")
            second, _, _ = _play(env, task, seed, actions)
            _compare(first, second)
            _check_admissible(env, task, seed)
            if isinstance(env, ForkableEnv):
                _check_fork(env, task, seed, first, taken)
    finally:
        env.close()
    env.close()


def _check_spec(spec: EnvSpec) -> None:
    _require(isinstance(spec, EnvSpec), "spec is an EnvSpec", f"it is {type(spec).__name__}")
    _require(bool(spec.id), "spec.id is a name", "it is empty")
    _require(bool(spec.splits), "spec.splits names at least one split", "it is empty")
    _require(spec.horizon >= 1, "spec.horizon is 1 or more", f"it is {spec.horizon}")


def _check_tasks(env: TextEnv, task: TaskId | None) -> TaskId:
    with _expect(UsageError, "tasks() of an unknown split raises UsageError"):
        env.tasks("no such split")
    found: list[TaskId] = []
    for split in env.spec.splits:
        try:
            tasks: list[object] = list(env.tasks(split))
        except MissingError:
            continue
        _require(
            all(isinstance(name, str) and name for name in tasks),
            "task ids are non-empty text",
            f"split {split!r} has others",
        )
        _require(len(set(tasks)) == len(tasks), "task ids are unique", f"split {split!r} repeats")
        _require(
            tasks == list(env.tasks(split)), "tasks are stable", f"split {split!r} changed its list"
        )
        found += map(str, tasks)
    if task is None:
        _require(bool(found), "at least one split has tasks", "none has any")
        task = found[0]
    info = env.task_info(task)
    _require(isinstance(info.get("type"), str), "task_info has 'type'", f"it has {sorted(info)}")
    with _expect(EnvError, "reset() to an unknown task raises EnvError"):
        env.reset("no/such/task")
    return task


def _play(
    env: TextEnv, task: TaskId, seed: int, actions: Sequence[str]
) -> tuple[_Transcript, list[str], bool]:
    """Return what was seen, what was done, and whether the episode ended."""
    rng = random.Random(seed)
    observation = env.reset(task, seed=seed)
    _check_observation(observation)
    goal = observation.goal
    transcript: _Transcript = [observation]
    taken: list[str] = []
    for turn in range(env.spec.horizon):
        taken.append(rng.choice(observation.admissible or (actions[turn % len(actions)],)))
        result = env.step(taken[-1])
        _check_result(result, goal)
        transcript.append(result)
        observation = result.observation
        if result.terminated or result.truncated:
            return transcript, taken, True
    return transcript, taken, False


def _check_observation(observation: Observation) -> None:
    _require(
        isinstance(observation, Observation),
        "observations are Observation records",
        f"got {type(observation).__name__}",
    )
    _require(isinstance(observation.text, str), "an observation's text is text", "it is not")
    _require(isinstance(observation.goal, str), "an observation's goal is text", "it is not")
    listed: object = observation.admissible
    _require(
        listed is None
        or (isinstance(listed, tuple) and all(isinstance(action, str) for action in listed)),
        "admissible is a tuple of texts, or None",
        f"got {type(listed).__name__}",
    )


def _check_result(result: StepResult, goal: str) -> None:
    _require(
        isinstance(result, StepResult), "step returns a StepResult", f"got {type(result).__name__}"
    )
    _check_observation(result.observation)
    _require(result.observation.goal == goal, "the goal is constant", "it changed in an episode")
    reward: object = result.reward
    _require(
        isinstance(reward, float) and math.isfinite(reward),
        "a reward is a finite float",
        f"got {reward!r}",
    )
    _require(
        isinstance(result.info.get("won"), bool), "info['won'] is true or false", "it is not there"
    )
    _require(
        not (result.terminated and result.truncated),
        "an episode is terminated or truncated",
        "both were set",
    )


def _compare(first: _Transcript, second: _Transcript) -> None:
    clause = "the same task, seed and actions give the same transcript"
    _require(len(first) == len(second), clause, f"{len(first) - 1} turns, then {len(second) - 1}")
    for turn, (one, other) in enumerate(zip(first, second, strict=True)):
        _require(one == other, clause, f"they differ at turn {turn}")


def _check_fork(
    env: ForkableEnv, task: TaskId, seed: int, transcript: _Transcript, taken: Sequence[str]
) -> None:
    """From a state in the middle, come back to twice, the episode goes on as it went before."""
    clause = "restore() brings back the state that fork() returned"
    half = len(taken) // 2
    there = transcript[half]
    seen = there if isinstance(there, Observation) else there.observation
    env.reset(task, seed=seed)
    for action in taken[:half]:
        env.step(action)
    snapshot = env.fork()
    for action in taken[half:]:
        env.step(action)
    for _ in range(2):
        _require(env.restore(snapshot) == seen, clause, f"turn {half} looks different")
        try:
            rest = [env.step(action) for action in taken[half:]]
        except EpisodeOverError as error:
            raise _broken(clause, f"it ends earlier from turn {half}") from error
        _require(rest == transcript[half + 1 :], clause, f"it goes on differently from turn {half}")


def _check_admissible(env: TextEnv, task: TaskId, seed: int) -> None:
    """Each action listed at the start brings an answer that a refused one does not bring."""
    listed = env.reset(task, seed=seed).admissible
    if listed is None or _NONSENSE in listed:
        return
    refusal = env.step(_NONSENSE)
    for action in listed:
        env.reset(task, seed=seed)
        _require(
            env.step(action) != refusal,
            "admissible actions are accepted",
            f"{action!r} is answered as nonsense is",
        )


def _raises_episode_over(env: TextEnv, when: str) -> None:
    with _expect(EpisodeOverError, f"step() {when} raises EpisodeOverError"):
        env.step(_NONSENSE)


@contextlib.contextmanager
def _expect(kind: type[Exception], clause: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    except Exception as error:
        raise _broken(clause, f"it raised {type(error).__name__}: {error}") from error
    raise _broken(clause, "it raised nothing")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Catch what is printed, from Python and from below it, and refuse it."""
    text = io.StringIO()
    with tempfile.TemporaryFile() as file:
        saved = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with contextlib.redirect_stdout(text):
                yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)
        file.seek(0)
        printed = text.getvalue() or file.read().decode("utf-8", "replace")
    _require(not printed, "nothing is printed", f"stdout had {printed[:60]!r}")


def _require(holds: bool, clause: str, seen: str) -> None:
    if not holds:
        raise _broken(clause, seen)


def _broken(clause: str, seen: str) -> EnvError:
    return EnvError(
        f"the environment breaks its contract: {clause}; {seen}.", "See docs/environments.md."
    )
