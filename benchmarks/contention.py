"""What one busy process beside it costs training on two cores, and what that costs a quiet machine.

    python benchmarks/contention.py
    python benchmarks/contention.py --spins 0 500 1500 5000

A small model is trained with two threads, in processes that differ only in how long OpenMP's
threads spin while they wait: the library's default, and what ``--spins`` says, by default the value
that `oreo_agent.threads` sets. In each round every process takes its steps quiet and then beside a
process that computes without end, one after the other and every round in another order. All of it
runs on as many cores as there are threads. Time is by the clock; ratios are taken within a round,
and the bars are on their medians.

The last line is one JSON object about the first of ``--spins``: ``beside`` is its time beside the
busy process / quiet, ``quiet`` its quiet time / that of the default.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from oreo_agent.threads import SPINS, limit_spinning

_BESIDE_BAR = 2.0
_QUIET_BAR = 1.05
_CONTEXT = multiprocessing.get_context("spawn")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spins", type=int, nargs="+", default=[SPINS], help="values to measure")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10, help="of a process in each half round")
    parser.add_argument("--threads", type=int, default=2, help="of a process; and cores for all")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256, help="of a sequence")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    if len(cores) < options.threads:
        parser.error(f"{options.threads} threads need as many cores; there are {len(cores)}")
    os.sched_setaffinity(0, cores)
    for name in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        os.environ.pop(name, None)
    document = _compare(options)
    print(json.dumps({**document, **vars(options)}))
    return 0 if document["holds"] else 1


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    settings: list[int | None] = [*options.spins, None]
    quiet: dict[int | None, list[float]] = {spins: [] for spins in settings}
    beside: dict[int | None, list[float]] = {spins: [] for spins in settings}
    with contextlib.ExitStack() as stack:
        trainers = {s: stack.enter_context(_child(_train, s, options)) for s in settings}
        for _ in range(options.rounds):
            for spins in settings:
                quiet[spins].append(_time(trainers[spins]))
            with _child(_compute_without_end):
                for spins in settings:
                    beside[spins].append(_time(trainers[spins]))
            settings.append(settings.pop(0))
    for spins in (*options.spins, None):
        name = "default" if spins is None else str(spins)
        rates = [options.steps / statistics.median(times[spins]) for times in (quiet, beside)]
        print(f"spins {name:>8}: {rates[0]:6.2f} steps/s quiet, {rates[1]:6.2f} beside")
    first = options.spins[0]
    slowdown = _ratio(beside[first], quiet[first])
    cost = _ratio(quiet[first], quiet[None])
    return {
        "beside": slowdown,
        "quiet": cost,
        "default_beside": _ratio(beside[None], quiet[None]),
        "bars": {"beside": _BESIDE_BAR, "quiet": _QUIET_BAR},
        "holds": slowdown <= _BESIDE_BAR and cost <= _QUIET_BAR,
    }


def _ratio(above: list[float], below: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 3)


@contextlib.contextmanager
def _child(work: Any, *arguments: Any) -> Iterator[Any]:
    """Run ``work`` in a process with one end of a pipe, once its first message has come."""
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        ours.recv()
        yield ours
    finally:
        process.kill()
        process.join()


def _time(trainer: Any) -> float:
    trainer.send(None)
    seconds: float = trainer.recv()
    return seconds


def _compute_without_end(pipe: Any) -> None:
    pipe.send(None)
    while True:
        pass


def _train(pipe: Any, spins: int | None, options: argparse.Namespace) -> None:
    if spins is not None:
        limit_spinning(spins)
    # Imported here: by then the spinning has to be limited.
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=options.hidden,
        intermediate_size=3 * options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters())
    tokens = torch.randint(config.vocab_size, (options.batch, options.tokens))

    def steps(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            model(input_ids=tokens, labels=tokens).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start

    steps(3)  # allocator and caches
    pipe.send(None)
    while True:
        pipe.recv()
        pipe.send(steps(options.steps))


if __name__ == "__main__":
    sys.exit(main())
