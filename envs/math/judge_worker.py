r"""The process that compares answers with ``math-verify``.

Started as ``python -m oreo_agent.envs.math.judge_worker``.

The library takes time limits by an alarm signal, which only the main thread may set and which does
not interrupt a long operation on huge numbers. Here the kernel keeps the limit: it ends the process
when its processor time is up. Answers are only ever read as LaTeX; the library's other reader hands
its text to Python's ``eval``.
"""

from __future__ import annotations

import logging
import resource
import signal

import msgspec

from oreo_agent.envs.worker.child import connect

_MEMORY = 2 << 30  # bytes of address space


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The first request."""

    seconds: float
    """Processor time that one comparison may take."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers without their markers."""

    gold: str
    answer: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question; the first one says that the process is ready."""

    right: bool = False


def main() -> None:
    """Answer questions until the parent has gone."""
    parent = connect()
    limit = msgspec.json.decode(parent.receive(), type=Limit)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, whatever it is doing
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, most))
    logging.disable(logging.CRITICAL)
    _same("1", "2")  # loads and compiles what the first question would wait for
    parent.send(Reply())
    decoder = msgspec.json.Decoder(Question)
    while True:
        question = decoder.decode(parent.receive())
        signal.setitimer(signal.ITIMER_PROF, limit.seconds)
        right = _same(question.gold, question.answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        parent.send(Reply(right=right))


def _same(gold: str, answer: str) -> bool:
    # Imported here: the parent imports this module for its messages alone.
    from math_verify import LatexExtractionConfig, parse, verify

    from oreo_agent.envs.math.sympy_check import as_set, is_same_number

    reading = [LatexExtractionConfig(boxed_match_priority=0)]
    try:
        first, second = (
            parse(rf"\boxed{{{text}}}", reading, parsing_timeout=0) for text in (gold, answer)
        )
        ours = as_set(second[0], answer) if second else None
        theirs = as_set(first[0], gold) if first else None
        if ours is not None and theirs is not None:
            # An interval says nothing of a variable.
            return bool(ours[0] == theirs[0]) and (
                None in (ours[1], theirs[1]) or ours[1] == theirs[1]
            )
        if not verify(first, second, timeout_seconds=None, allow_set_relation_comp=True):
            return False
        return not first or not second or is_same_number(first[0], second[0])
    except (Exception, RecursionError, MemoryError):
        return False


if __name__ == "__main__":
    main()
