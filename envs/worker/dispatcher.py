"""Several worker processes used as one: requests go to all of them, answers come as they are ready.

A slot lives in process ``slot % processes``. A worker answers slot after slot, in the order of the
request, so that the slot at work is known when a worker dies or hangs.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from oreo_agent.envs.core import EnvError, EnvSpec
from oreo_agent.envs.worker.process import WorkerLostError, WorkerProcess, readable
from oreo_agent.envs.worker.protocol import (
    EMPTY_ANSWER,
    Answer,
    EnvFault,
    Request,
    Reset,
    Restore,
    Start,
    Step,
    read_answer,
)

SlotRequest = Callable[..., Request]
"""A request that names slots, e.g. `Step`; takes ``slots``."""
SlotArguments = Mapping[int, tuple[Any, ...]]
"""Slot -> what follows the slot's number in the request."""
SlotReply = Callable[[int, Answer], str | None]
"""Takes a slot and its answer and returns the slot's next action, if any."""


class EnvProcess(WorkerProcess[Answer]):
    """A process that hosts environments.

    Args:
        start: Names the environment.
        start_limit: Seconds that the start may take.
    """

    def __init__(self, start: Start, start_limit: float) -> None:
        super().__init__(
            "oreo_agent.envs.worker.server", start, read_answer, start_limit=start_limit
        )
        self.episodes: set[int] = set()
        """Slots with an episode in the present process."""

    def spec(self) -> EnvSpec:
        """Start the process where there is none, and return what its environment is.

        Raises:
            WorkerLostError: It does not start.
            OreoAgentError: The environment refuses its name or options.
        """
        answer = self.ready()
        if answer.spec is None:
            self.close()
            raise (answer.fault or EMPTY_ANSWER).error()
        return answer.spec

    def no_episode(self, slot: int) -> EnvFault:
        """Return why a slot has no episode here."""
        if self.cause:
            message = f"the episode of slot {slot} was lost: {self.cause}"
            return EnvFault(type="EnvError", message=message, lost=True)
        message = f"slot {slot} has no episode."
        return EnvFault(type="EpisodeOverError", message=message, fix="Reset it first.")

    def close(self) -> None:
        """End the process; its episodes are gone."""
        super().close()
        self.episodes.clear()


_Due = dict[EnvProcess, deque[int]]
"""Slots whose answers are awaited, in the order of the request."""


class Dispatcher:
    """The worker processes of a pool.

    Args:
        start: The first request to every process.
        processes: Number of processes.
        time_limit: Seconds that one slot may take for one answer; then its process is killed.
        start_limit: Seconds that a start, or an answer that concerns no slot, may take.
    """

    def __init__(
        self, start: Start, *, processes: int, time_limit: float, start_limit: float
    ) -> None:
        self._time_limit = time_limit
        self._start_limit = start_limit
        self._workers = [EnvProcess(start, start_limit) for _ in range(processes)]
        self._closed = False

    def start(self) -> EnvSpec:
        """Start all processes and return what their environment is.

        Raises:
            WorkerLostError: One of them does not start.
            OreoAgentError: The environment refuses its name or options.
        """
        for worker in self._workers:
            worker.launch()
        specs = [worker.spec() for worker in self._workers]
        return specs[0]

    def close(self) -> None:
        """End the processes. Calling it twice does no harm."""
        self._closed = True
        for worker in self._workers:
            worker.hang_up()  # all at once, so that their ends do not add up
        for worker in self._workers:
            worker.close()

    def worker(self, slot: int) -> EnvProcess:
        """Return the process in which a slot lives.

        Raises:
            EnvError: The processes were ended.
        """
        if self._closed:
            raise EnvError("the worker pool is closed.", "Make a new one.")
        return self._workers[slot % len(self._workers)]

    def ask(self, request: Request) -> Answer:
        """Ask the first process; twice where it is lost, for it may have been lost before.

        Raises:
            EnvError: It was lost twice.
            OreoAgentError: The request fails.
        """
        worker = self.worker(0)
        try:
            answer = self._ask_one(worker, request)
        except WorkerLostError:
            try:
                answer = self._ask_one(worker, request)
            except WorkerLostError as lost:
                raise EnvError(str(lost), "Try again; the worker is restarted.") from lost
        if answer.fault is not None:
            raise answer.fault.error()
        return answer

    def ask_slots(self, request: SlotRequest, arguments: SlotArguments) -> dict[int, Answer]:
        """Ask each slot and return the answers, in the order of the slots.

        A request that starts episodes also starts processes that were lost; any other one is
        refused for a slot without an episode.
        """
        due, answers = self._send(request, arguments)
        for worker, answered in self._gather(due):
            answers |= answered
            if request in _EPISODE_STARTS:
                _note_episodes(worker, answered)
        return {slot: answers[slot] for slot in arguments}

    def play_slots(
        self, starts: SlotArguments, reply: SlotReply, *, upcoming: Callable[[], None]
    ) -> None:
        """Reset each slot and reply to each answer as it comes, until every slot has ended.

        No slot waits for another one, so a process has something to do as long as one of its slots
        is open. A reply to a fault is not sent.

        Args:
            starts: What `Reset` takes for each slot.
            reply: Returns a slot's next action; None ends the slot.
            upcoming: Called once, when the resets are sent.
        """
        due, refused = self._send(Reset, starts)
        upcoming()
        for slot, answer in refused.items():
            reply(slot, answer)
        for worker, answered in self._gather(due):
            _note_episodes(worker, answered)
            moves: list[tuple[int, str]] = []
            for slot, answer in answered.items():
                action = reply(slot, answer)
                if action is None or answer.fault is not None:
                    continue
                if _is_text(action):
                    moves.append((slot, action))
                else:
                    reply(slot, _NOT_TEXT)
            if not moves:
                continue
            due[worker].extend(slot for slot, _ in moves)
            try:
                worker.send(Step(slots=tuple(moves)), self._time_limit)
            except WorkerLostError as lost:
                for slot, answer in _lost(due[worker], lost).items():
                    reply(slot, answer)
                due[worker].clear()

    def tell_slots(self, request: SlotRequest, arguments: SlotArguments) -> None:
        """Send what is not answered to the processes of slots; lost processes are passed over."""
        sendable = {slot: texts for slot, texts in arguments.items() if _are_text(texts)}
        for worker, slots in self._by_worker(sendable).items():
            self._tell(worker, _slots_request(request, slots, sendable))

    def tell_all(self, request: Request) -> None:
        """Send what is not answered to every process; lost processes are passed over."""
        for worker in self._workers:
            self._tell(worker, request)

    def _send(
        self, request: SlotRequest, arguments: SlotArguments
    ) -> tuple[_Due, dict[int, Answer]]:
        """Send a request; return the slots that will answer, and the faults of the others."""
        answers: dict[int, Answer] = {}
        asked: _Due = {}
        for worker, slots in self._by_worker(arguments).items():
            for slot in slots:
                if request not in _EPISODE_STARTS and slot not in worker.episodes:
                    answers[slot] = Answer(fault=worker.no_episode(slot))
                elif not _are_text(arguments[slot]):
                    answers[slot] = _NOT_TEXT
                else:
                    asked.setdefault(worker, deque()).append(slot)
        for worker in asked:
            with contextlib.suppress(WorkerLostError):
                worker.launch()  # all of them before the first is waited for
        due: _Due = {}
        for worker, slots in asked.items():
            try:
                worker.spec()
                worker.ask(_slots_request(request, slots, arguments), self._time_limit)
                due[worker] = slots
            except WorkerLostError as lost:
                answers |= _lost(slots, lost)
        return due, answers

    def _ask_one(self, worker: EnvProcess, request: Request) -> Answer:
        worker.spec()
        worker.ask(request, self._start_limit)
        return worker.receive(self._start_limit)

    def _tell(self, worker: EnvProcess, request: Request) -> None:
        with contextlib.suppress(WorkerLostError):  # the next request to it reports that
            worker.send(request, self._time_limit)

    def _gather(self, due: _Due) -> Iterator[tuple[EnvProcess, dict[int, Answer]]]:
        """Yield the slots' answers as they arrive, by process.

        ``due`` is used up. Whoever takes an answer may ask the same process for more meanwhile.
        """
        deadlines = dict.fromkeys(due, time.monotonic() + self._time_limit)
        while due:
            spoke = readable(due, min(deadlines[worker] for worker in due))
            now = time.monotonic()
            # They come first: while what others said is replied to, they might still answer.
            late = [worker for worker in due if worker not in spoke and deadlines[worker] <= now]
            for worker in late + spoke:
                slots = due[worker]
                answered: dict[int, Answer] = {}
                try:
                    if worker in late:
                        raise worker.lose_overdue(self._time_limit, f" in slot {slots[0]}")
                    worker.read()
                    while slots and (answer := worker.take()) is not None:
                        answered[slots.popleft()] = answer
                except WorkerLostError as lost:
                    answered |= _lost(slots, lost)
                    slots.clear()
                if answered:
                    yield worker, answered
                    deadlines[worker] = time.monotonic() + self._time_limit
                if not slots:
                    del due[worker]

    def _by_worker(self, slots: Iterable[int]) -> dict[EnvProcess, deque[int]]:
        groups: dict[EnvProcess, deque[int]] = {}
        for slot in slots:
            groups.setdefault(self.worker(slot), deque()).append(slot)
        return groups


_NOT_TEXT = Answer(
    fault=EnvFault(
        type="EnvError", message="what was to be sent is not text: it holds half a surrogate pair."
    )
)
_EPISODE_STARTS = (Reset, Restore)


def _slots_request(request: SlotRequest, slots: Iterable[int], arguments: SlotArguments) -> Request:
    return request(slots=tuple((slot, *arguments[slot]) for slot in slots))


def _are_text(arguments: Iterable[object]) -> bool:
    return all(_is_text(argument) for argument in arguments if isinstance(argument, str))


def _is_text(text: str) -> bool:
    """Return whether a text can be sent: it holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _note_episodes(worker: EnvProcess, answered: Mapping[int, Answer]) -> None:
    worker.episodes.update(slot for slot, answer in answered.items() if answer.fault is None)


def _lost(slots: Iterable[int], lost: WorkerLostError) -> dict[int, Answer]:
    """Return the answers of slots whose worker was lost when the first of them was at work."""
    return {
        slot: Answer(
            fault=EnvFault(type="EnvError", message=str(lost), lost=True, suspect=place == 0)
        )
        for place, slot in enumerate(slots)
    }
