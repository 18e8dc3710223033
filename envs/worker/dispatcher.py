"""A few worker processes as one: requests go out to all of them, answers come in as they are ready.

A slot lives in process ``slot % processes``. A worker answers slot after slot, in the order in
which it was asked, so that the slot at work is known when a worker dies or hangs.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from oreo_agent.envs.core import EnvError, EnvSpec
from oreo_agent.envs.worker.process import WorkerLostError, WorkerProcess, readable
from oreo_agent.envs.worker.protocol import Answer, EnvFault, Request

__all__ = ["Crew", "SlotReply", "SlotRequest", "is_text"]

SlotRequest = Callable[[int, Sequence[int]], Request]
"""Takes a call's number and slots of one process."""
SlotReply = Callable[[int, Answer], str | None]
"""Takes a slot and its answer and returns what is to be sent to it next, if anything."""

_Due = dict[WorkerProcess, deque[int]]
"""Slots whose answers are awaited, in the order in which they were asked."""


class Crew:
    """The worker processes of a pool.

    Args:
        first: Takes a call's number and returns the first request to every process.
        processes: Number of processes.
        time_limit: Seconds that one slot may take for one answer; then its process is killed.
        start_limit: Seconds that a start, or an answer that concerns no slot, may take.
    """

    def __init__(
        self,
        first: Callable[[int], Request],
        *,
        processes: int,
        time_limit: float,
        start_limit: float,
    ) -> None:
        self._time_limit = time_limit
        self._start_limit = start_limit
        self._calls = itertools.count(1)
        self._workers = [WorkerProcess(first, start_limit) for _ in range(processes)]
        self._closed = False

    def start(self) -> EnvSpec:
        """Start all processes and return what their environment is.

        Raises:
            WorkerLostError: One of them does not start.
            OreoAgentError: The environment refuses its name or options.
        """
        for worker in self._workers:
            worker.launch()
        specs = [worker.ready() for worker in self._workers]
        return specs[0]

    def close(self) -> None:
        """End the processes. Calling it twice does no harm."""
        self._closed = True
        for worker in self._workers:
            worker.hang_up()  # all at once, so that their ends do not add up
        for worker in self._workers:
            worker.close()

    def worker(self, slot: int) -> WorkerProcess:
        """Return the process in which a slot lives.

        Raises:
            EnvError: The processes were ended.
        """
        if self._closed:
            raise EnvError("the worker pool is closed.", "Make a new one.")
        return self._workers[slot % len(self._workers)]

    def ask(self, request: Callable[[int], Request]) -> Answer:
        """Ask the first process; once more where it is lost, for it may have been lost before.

        Raises:
            EnvError: It was lost twice.
            OreoAgentError: What it answers.
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

    def ask_slots(
        self,
        slots: Iterable[int],
        request: SlotRequest,
        texts: Callable[[int], Iterable[str]] = lambda slot: (),
        *,
        starts_episode: bool = False,
    ) -> dict[int, Answer]:
        """Ask each slot and return the answers, in the order of the slots.

        Args:
            slots: Whom to ask.
            request: Makes the request.
            texts: What it holds for a slot, to be refused where it cannot be sent.
            starts_episode: Whether the slots need no episode before, and have one after. A process
                that was lost is then started again.
        """
        call = next(self._calls)
        asked = list(slots)
        due, answers = self._send(call, asked, request, texts, starts_episode)
        for worker, answered in self._gather(call, due):
            answers |= answered
            if starts_episode:
                _note_episodes(worker, answered)
        return {slot: answers[slot] for slot in asked}

    def play_slots(
        self,
        slots: Iterable[int],
        start: SlotRequest,
        reply: SlotReply,
        step: Callable[[int, Sequence[tuple[int, str]]], Request],
        *,
        texts: Callable[[int], Iterable[str]] = lambda slot: (),
        then: Callable[[], None] | None = None,
    ) -> None:
        """Start an episode in each slot and reply to each answer as it comes, until none is left.

        No slot waits for another one, so a process has something to do as long as one of its slots
        is open. What is replied to a fault is not sent.

        Args:
            slots: Whom to ask.
            start: Makes the request that starts episodes.
            reply: Decides what a slot is sent next; None is the end of it.
            step: Makes the request that carries replies.
            texts: What ``start`` holds for a slot, to be refused where it cannot be sent.
            then: Called once when ``start`` is sent, to tell what is to be done when idle.
        """
        call = next(self._calls)
        due, refused = self._send(call, slots, start, texts, starts_episode=True)
        if then is not None:
            then()
        for slot, answer in refused.items():
            reply(slot, answer)
        for worker, answered in self._gather(call, due):
            _note_episodes(worker, answered)
            moves: list[tuple[int, str]] = []
            for slot, answer in answered.items():
                action = reply(slot, answer)
                if action is None or answer.fault is not None:
                    continue
                if is_text(action):
                    moves.append((slot, action))
                else:
                    reply(slot, Answer(call=call, fault=_UNSAYABLE))
            if not moves:
                continue
            due[worker].extend(slot for slot, _ in moves)
            try:
                worker.send(step(call, moves), self._time_limit)
            except WorkerLostError as lost:
                for slot, answer in _lost(call, due[worker], lost).items():
                    reply(slot, answer)
                due[worker].clear()

    def tell_slots(self, slots: Iterable[int], request: SlotRequest) -> None:
        """Send what is not answered to the processes of slots; one that is lost is passed over."""
        call = next(self._calls)
        for worker, mine in self._by_worker(slots):
            self._tell(worker, request(call, mine))

    def tell_all(self, request: Callable[[int], Request]) -> None:
        """Send what is not answered to every process; one that is lost is passed over."""
        call = next(self._calls)
        for worker in self._workers:
            self._tell(worker, request(call))

    def _send(
        self,
        call: int,
        slots: Iterable[int],
        request: SlotRequest,
        texts: Callable[[int], Iterable[str]],
        starts_episode: bool,
    ) -> tuple[_Due, dict[int, Answer]]:
        """Send a request; return who is to answer it, and the faults of those who cannot."""
        answers: dict[int, Answer] = {}
        wanted: _Due = {}
        for worker, mine in self._by_worker(slots):
            for slot in mine:
                if not starts_episode and slot not in worker.episodes:
                    answers[slot] = Answer(call=call, fault=worker.no_episode(slot))
                elif not all(map(is_text, texts(slot))):
                    answers[slot] = Answer(call=call, fault=_UNSAYABLE)
                else:
                    wanted.setdefault(worker, deque()).append(slot)
        for worker in wanted:
            with contextlib.suppress(WorkerLostError):
                worker.launch()  # all of them before the first is waited for
        due: _Due = {}
        for worker, ask in wanted.items():
            try:
                worker.ready()
                worker.send(request(call, ask), self._time_limit)
                due[worker] = ask
            except WorkerLostError as lost:
                answers |= _lost(call, ask, lost)
        return due, answers

    def _ask_one(self, worker: WorkerProcess, request: Callable[[int], Request]) -> Answer:
        call = next(self._calls)
        worker.ready()
        worker.send(request(call), self._start_limit)
        return worker.receive(call, self._start_limit)

    def _tell(self, worker: WorkerProcess, request: Request) -> None:
        with contextlib.suppress(WorkerLostError):  # the next question to it says so
            worker.send(request, self._time_limit)

    def _gather(self, call: int, due: _Due) -> Iterator[tuple[WorkerProcess, dict[int, Answer]]]:
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
                        raise worker.overdue(self._time_limit, slots[0])
                    worker.read()
                    while slots and (answer := worker.take(call)) is not None:
                        answered[slots.popleft()] = answer
                except WorkerLostError as lost:
                    answered |= _lost(call, slots, lost)
                    slots.clear()
                if answered:
                    yield worker, answered
                    deadlines[worker] = time.monotonic() + self._time_limit
                if not slots:
                    del due[worker]

    def _by_worker(self, slots: Iterable[int]) -> list[tuple[WorkerProcess, list[int]]]:
        groups: dict[WorkerProcess, list[int]] = {}
        for slot in slots:
            groups.setdefault(self.worker(slot), []).append(slot)
        return list(groups.items())


def is_text(text: str) -> bool:
    """Return whether a text can be sent: it holds no half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_UNSAYABLE = EnvFault(
    type="EnvError", message="what was to be sent is not text: it holds half a surrogate pair."
)


def _note_episodes(worker: WorkerProcess, answered: Mapping[int, Answer]) -> None:
    worker.episodes.update(slot for slot, answer in answered.items() if answer.fault is None)


def _lost(call: int, slots: Iterable[int], lost: WorkerLostError) -> dict[int, Answer]:
    """Return the answers of slots whose worker was lost when the first of them was at work."""
    return {
        slot: Answer(
            call=call,
            fault=EnvFault(type="EnvError", message=str(lost), lost=True, suspect=place == 0),
        )
        for place, slot in enumerate(slots)
    }
