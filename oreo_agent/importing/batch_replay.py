"""Playing logged actions again in the engine, many episodes in lock-step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from oreo_agent.envs.core import StepResult
from oreo_agent.envs.worker.pool import EnvFault, Snapshot, WorkerPool
from oreo_agent.episodes.formats.log_schema import is_refusal
from oreo_agent.importing.transcript_diff import Difference, differences, is_agreement

_WAVE = 8  # episodes a process at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to play, and what the log shows after each action."""

    task: str
    actions: tuple[tuple[str, ...], ...]
    """Of each turn: the action as written, then what else it can stand for, in the dialect of the
    environment. What the engine confirms counts; where it confirms none, the action as written."""
    answers: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one logged turn."""

    action: str
    """The one that was played."""
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
    """Play scripts and return their results, in order.

    Args:
        pool: The games; its horizon is longer than the longest script.
        scripts: What to play.
        processes: Of the pool.
        progress: Called with the number of scripts done.
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
        asked: dict[int, tuple[str, ...]] = {}
        for slot, script in enumerate(scripts):
            if turn < len(script.actions):
                if slot in playing:
                    asked[slot] = script.actions[turn]
                else:
                    replays[slot].turns.append(_unasked(replays[slot], script.actions[turn][0]))
        logs = {slot: scripts[slot].answers[turn] for slot in asked}
        for slot, (action, answer) in _ask(pool, asked, logs).items():
            replay, logged = replays[slot], logs[slot]
            if isinstance(answer, EnvFault):
                replay.fault = f"turn {turn + 1}, {action!r}: {answer.message}"
                fault = Played(action=action, answer=None, found=(Difference.FAULT,))
                replay.turns.append(fault)
                playing.discard(slot)
                continue
            text = answer.observation.text
            found = (Difference.UNLOGGED,) if logged is None else differences(logged, text)
            if action != asked[slot][0] and Difference.WORDING not in found:
                found = (Difference.WORDING, *found)
            replay.turns.append(Played(action=action, answer=text, found=found))
            if answer.terminated or answer.truncated:
                replay.won = replay.won or bool(answer.info.get("won"))
                playing.discard(slot)


_Answer = tuple[str, StepResult | EnvFault]
"""An action and what the engine says to it."""


def _ask(
    pool: WorkerPool, asked: Mapping[int, tuple[str, ...]], logged: Mapping[int, str | None]
) -> dict[int, _Answer]:
    """Play a turn in each slot: the action as written, or the first wording that is confirmed."""
    several = [slot for slot, actions in asked.items() if len(actions) > 1]
    before = pool.fork(several) if several else {}
    answers = pool.step({slot: actions[0] for slot, actions in asked.items()}) if asked else {}
    chosen: dict[int, _Answer] = {s: (asked[s][0], answer) for s, answer in answers.items()}
    trying = {
        slot: snapshot
        for slot, snapshot in before.items()
        if isinstance(snapshot, Snapshot) and not _is_confirmed(answers[slot], logged[slot])
    }
    rank = 0
    while trying:
        rank += 1
        restored = pool.restore(trying)
        faults = {slot: said for slot, said in restored.items() if isinstance(said, EnvFault)}
        # Behind the last wording the action as written is played again, for good.
        wordings = {
            slot: (*asked[slot], asked[slot][0])[rank] for slot in trying if slot not in faults
        }
        answers = pool.step(wordings) if wordings else {}
        for slot, answer in (*faults.items(), *answers.items()):
            chosen[slot] = wordings.get(slot, asked[slot][0]), answer
            if rank == len(asked[slot]) or _is_confirmed(answer, logged[slot]):
                del trying[slot]
    return chosen


def _is_confirmed(answer: StepResult | EnvFault, logged: str | None) -> bool:
    """Whether the engine answers as the log does; where the log says nothing, takes the action."""
    if isinstance(answer, EnvFault):
        return True  # there is nothing more to try
    text = answer.observation.text
    return not is_refusal(text) if logged is None else is_agreement(differences(logged, text))


def _unasked(replay: Replay, action: str) -> Played:
    cause = Difference.AFTER_END if replay.fault is None else Difference.FAULT
    return Played(action=action, answer=None, found=(cause,))
