"""check_env names the clause that an environment breaks."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence

import pytest

from oreo_agent.envs import EnvError, Observation, StepResult, TaskId, check_env
from tests.envs.scripted_envs import Corridor


def test_a_good_environment_passes_silently(capfd: pytest.CaptureFixture[str]) -> None:
    env = Corridor()
    check_env(env)
    check_env(Corridor(), task="b", seed=3)
    assert capfd.readouterr() == ("", "")
    assert env.turn == -1


class StepsBeforeReset(Corridor):
    def step(self, action: str) -> StepResult:
        self.turn = max(self.turn, 0)
        return super().step(action)


class StepsAfterTheEnd(Corridor):
    started = False

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        self.started = True
        return super().reset(task, seed=seed)

    def step(self, action: str) -> StepResult:
        self.turn = max(self.turn, 0) if self.started else self.turn
        return super().step(action)


class Random(Corridor):
    counter = itertools.count()

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        super().reset(task, seed=seed)
        return self.see(f"You start for the {next(self.counter)}th time.")


class PrintsInPython(Corridor):
    def step(self, action: str) -> StepResult:
        print("hello")
        return super().step(action)


class PrintsBelow(Corridor):
    def step(self, action: str) -> StepResult:
        os.write(1, b"hello")
        return super().step(action)


class NeverEnds(Corridor):
    def step(self, action: str) -> StepResult:
        result = super().step(action)
        self.turn = 1
        self.place = 0
        return dataclasses.replace(result, truncated=False, terminated=False)


class ListsWhatItRefuses(Corridor):
    def see(self, text: str) -> Observation:
        return Observation(text=text, goal="walk", admissible=("back", "forth", "fly"))


class ChangesItsGoal(Corridor):
    def see(self, text: str) -> Observation:
        return Observation(text=text, goal=f"walk from {self.place}", admissible=("back", "forth"))


class ListsActionsAsList(Corridor):
    def see(self, text: str) -> Observation:
        actions: tuple[str, ...] = ["back", "forth"]  # type: ignore[assignment]  # the fault
        return Observation(text=text, goal="walk", admissible=actions)


class HasUnstableTasks(Corridor):
    flip = False

    def tasks(self, split: str) -> Sequence[TaskId]:
        self.flip = not self.flip
        return super().tasks(split)[:: 1 if self.flip else -1]


class RepeatsATask(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return (*super().tasks(split), "a")


class HasNoTypes(Corridor):
    def task_info(self, task: TaskId) -> Mapping[str, str]:
        return {}


class AcceptsAnySplit(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return ("a", "b")


class AcceptsAnyTask(Corridor):
    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        return super().reset()


class HidesSuccess(Corridor):
    def result(self, text: str, info: Mapping[str, object] | None = None) -> StepResult:
        return super().result(text, info={})


class RewardsWithAnInteger(Corridor):
    def result(self, text: str, info: Mapping[str, object] | None = None) -> StepResult:
        return dataclasses.replace(super().result(text, info), reward=0)


class EndsBothWays(Corridor):
    def result(self, text: str, info: Mapping[str, object] | None = None) -> StepResult:
        result = super().result(text, info)
        over = result.terminated or result.truncated
        return dataclasses.replace(result, terminated=over, truncated=over)


class HasNoSplits(Corridor):
    def __init__(self) -> None:
        super().__init__()
        self.spec = dataclasses.replace(self.spec, splits=())


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (StepsBeforeReset, r"step\(\) before reset raises EpisodeOverError"),
        (StepsAfterTheEnd, r"step\(\) after the end of an episode raises EpisodeOverError"),
        (Random, "the same transcript"),
        (PrintsInPython, "nothing is printed"),
        (PrintsBelow, "nothing is printed"),
        (NeverEnds, "ends within the horizon"),
        (ListsWhatItRefuses, "admissible actions are accepted; 'fly'"),
        (ChangesItsGoal, "the goal is constant"),
        (ListsActionsAsList, "admissible is a tuple"),
        (HasUnstableTasks, "tasks are stable"),
        (RepeatsATask, "task ids are unique"),
        (HasNoTypes, "task_info has 'type'"),
        (AcceptsAnySplit, "unknown split raises UsageError"),
        (AcceptsAnyTask, "unknown task raises EnvError"),
        (HidesSuccess, r"info\['won'\]"),
        (RewardsWithAnInteger, "a reward is a finite float"),
        (EndsBothWays, "terminated or truncated"),
        (HasNoSplits, "spec.splits"),
    ],
)
def test_a_broken_clause_is_named(kind: type[Corridor], clause: str) -> None:
    with pytest.raises(EnvError, match=clause):
        check_env(kind())
