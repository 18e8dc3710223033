"""Playing logged actions again in the engine, many episodes in lock-step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oreo_agent.envs.worker.pool import EnvFault, WorkerPool
from oreo_agent.importing.transcript_diff import Difference, differences, is_agreement

__all__ = ["Played", "Replay", "Script", "replay_all"]

_WAVE = 8  # episodes a process at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to play, and what the log shows after each action."""

    task: str
    actions: tuple[str, ...]
    """In the dialect of the environment."""
    answers: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one logged turn."""

    answer: str | None
    """The engine's; None where it was not asked or failed."""
    found: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether log and engine say the same but for known differences."""
        return is_agreement(self.found)


@dataclass(slots=True, kw_only=True)
class Replay:
    """What the engine says to a logged episode."""

    opening: str = ""
    goal: str = ""
    turns: list[Played] = field(default_factory=list)
    won: bool = False
    fault: str | None = None

    @property
    def compared(self) -> list[Played]:
        """The turns in which the log says something that the engine could contradict."""
        return [turn for turn in self.turns if Difference.UNLOGGED not in turn.found]

    @property
    def length(self) -> int:
        """Number of turns up to the engine's end of the episode."""
        return sum(Difference.AFTER_END not in turn.found for turn in self.turns)

    @property
    def whole(self) -> bool:
        """Whether the engine contradicts the log nowhere up to its end of the episode."""
        return self.fault is None and all(
            turn.agrees or Difference.UNLOGGED in turn.found for turn in self.turns[: self.length]
        )


def replay_all(
    pool: WorkerPool,
    scripts: Sequence[Script],
    *,
    processes: int,
    progress: Callable[[int], None] | None = None,
) -> list[Replay]:
    """Play scripts and return what came of them, in order.

    Args:
        pool: The games; its horizon is longer than the longest script.
        scripts: What to play.
        processes: Of the pool.
        progress: Is told how many scripts are done.
    """
    replays = [Replay() for _ in scripts]
    # Episodes of one game are played together: a loaded game stays in memory for a while only.
    order = sorted(range(len(scripts)), key=lambda index: scripts[index].task)
    size = _WAVE * processes
    for start in range(0, len(order), size):
        wave = order[start : start + size]
        _play_wave(pool, [scripts[index] for index in wave], [replays[index] for index in wave])
        if progress is not None:
            progress(start + len(wave))
    return replays


def _play_wave(pool: WorkerPool, scripts: Sequence[Script], replays: Sequence[Replay]) -> None:
    first = pool.reset({slot: (script.task, None) for slot, script in enumerate(scripts)})
    playing: set[int] = set()
    for slot, replay in enumerate(replays):
        opening = first[slot]
        if isinstance(opening, EnvFault):
            replay.fault = f"reset: {opening.message}"
        else:
            replay.opening, replay.goal = opening.text, opening.goal
            playing.add(slot)
    for turn in range(max(len(script.actions) for script in scripts)):
        asked: dict[int, str] = {}
        for slot, script in enumerate(scripts):
            if turn < len(script.actions):
                if slot in playing:
                    asked[slot] = script.actions[turn]
                else:
                    replays[slot].turns.append(_unasked(replays[slot]))
        answers = pool.step(asked) if asked else {}
        for slot, answer in answers.items():
            replay, logged = replays[slot], scripts[slot].answers[turn]
            if isinstance(answer, EnvFault):
                replay.fault = f"turn {turn + 1}, {asked[slot]!r}: {answer.message}"
                replay.turns.append(Played(answer=None, found=(Difference.FAULT,)))
                playing.discard(slot)
                continue
            text = answer.observation.text
            found = (Difference.UNLOGGED,) if logged is None else differences(logged, text)
            replay.turns.append(Played(answer=text, found=found))
            if answer.terminated or answer.truncated:
                replay.won = replay.won or bool(answer.info.get("won"))
                playing.discard(slot)


def _unasked(replay: Replay) -> Played:
    cause = Difference.AFTER_END if replay.fault is None else Difference.FAULT
    return Played(answer=None, found=(cause,))
