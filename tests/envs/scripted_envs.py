"""Small scripted environments: one that keeps the contract, and ways to break it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from oreo_agent.envs import (
    EnvError,
    EnvSpec,
    EpisodeOverError,
    Observation,
    StepResult,
    TaskId,
)
from oreo_agent.errors import UsageError


class Corridor:
    """Walk ``forth`` three times; ``back`` goes back. Options make it misbehave on an action."""

    def __init__(self, *, start_delay: float = 0.0, list_delay: float = 0.0) -> None:
        time.sleep(start_delay)
        self.list_delay = list_delay
        self.spec = EnvSpec(id="corridor", splits=("train",), horizon=6, action_help="forth, back")
        self.place = 0
        self.turn = -1

    def tasks(self, split: str) -> Sequence[TaskId]:
        time.sleep(self.list_delay)
        if split != "train":
            raise UsageError(f"there is no split {split!r}.")
        return ("a", "b")

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        return {"type": "walk"}

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        if task not in ("a", "b", None):
            raise EnvError(f"no task {task!r}.")
        self.place = self.turn = 0
        return self.see("You start.")

    def step(self, action: str) -> StepResult:
        if self.turn < 0:
            raise EpisodeOverError("no episode is running.", "Call reset first.")
        match action:
            case "exit":
                print("about to leave", flush=True)
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(3600)
            case "hog":
                re.match(r"(a+)+$", "a" * 60 + "b")  # for ages, and no other thread runs
            case "dawdle forth":
                time.sleep(0.7)
                action = "forth"
            case "raise":
                raise ZeroDivisionError("by hand")
            case "print":
                print("from Python", flush=True)
                os.write(1, b"from below\n")
            case "mutter":
                return self.result("half \ud800", {"won": False})
            case "complain":
                raise EnvError("no \ud800 here")
            case "object":
                return self.result("It is odd.", {"won": False, "odd": object()})
        moved = {"forth": 1, "back": -1}.get(action, 0)
        self.place += moved
        self.turn += 1
        return self.result(f"You are at {self.place}." if moved else "Nothing happens.")

    def close(self) -> None:
        self.turn = -1

    def see(self, text: str) -> Observation:
        return Observation(text=text, goal="walk", admissible=("back", "forth"))

    def result(self, text: str, info: Mapping[str, object] | None = None) -> StepResult:
        won = self.place >= 3
        over = not won and self.turn >= self.spec.horizon
        if won or over:
            self.turn = -1
        return StepResult(
            observation=self.see(text),
            reward=1.0 if won else 0.0,
            terminated=won,
            truncated=over,
            info={"won": won} if info is None else info,
        )


class Forgetful(Corridor):
    """Says something else the second time that an action is sent."""

    said = 0

    def step(self, action: str) -> StepResult:
        self.said += 1
        return self.result(f"This is answer {self.said}.")


class Leaping(Corridor):
    """Comes back to a state by itself."""

    text = ""

    def see(self, text: str) -> Observation:
        self.text = text
        return super().see(text)

    def fork(self) -> object:
        return (self.place, self.turn, self.text)

    def restore(self, snapshot: object) -> Observation:
        if not isinstance(snapshot, tuple):
            raise EnvError("no snapshot of a corridor.")
        self.place, self.turn, self.text = snapshot
        return self.see(self.text)


class Noted(Corridor):
    """Writes down each start, and each episode that a task breaks."""

    def __init__(self, *, notes: str) -> None:
        super().__init__()
        self.notes = Path(notes)

    def tasks(self, split: str) -> Sequence[TaskId]:
        super().tasks(split)
        return ("a", "b", "broken", "deadly")

    def reset(self, task: TaskId | None = None, *, seed: int | None = None) -> Observation:
        with self.notes.open("a") as file:
            file.write(f"{task} {seed}\n")
        if task == "deadly":
            os._exit(3)
        if task == "broken":
            raise EnvError("a torn game.")
        return super().reset(task, seed=seed)


class Echo(Corridor):
    """Says what it is told, as an observation, a goal and an action."""

    def step(self, action: str) -> StepResult:
        self.turn += 1
        seen = Observation(text=action, goal=action, admissible=(action,))
        return StepResult(
            observation=seen, reward=0.0, terminated=False, truncated=False, info={"won": False}
        )


class Nameless(Corridor):
    """Answers ``nan`` with a reward that is no number, ``list`` with one that is a list."""

    def step(self, action: str) -> StepResult:
        result = super().step("forth")
        reward = {"nan": float("nan"), "list": [1.0]}.get(action, 0.0)
        return StepResult(
            observation=result.observation,
            reward=reward,  # type: ignore[arg-type]  # that is the point
            terminated=False,
            truncated=False,
        )


class Variables(Corridor):
    """Says what an environment variable of its process is."""

    def step(self, action: str) -> StepResult:
        return self.result(os.environ.get(action, "unset"))
