"""What the cache across turns gains: whole rollouts, beside ones that read every turn again.

    python benchmarks/rollout.py
    python benchmarks/rollout.py --preset small

64 generated houses of each size are played for up to 40 turns, at temperature 1: by our agent,
which reads each token of an episode once, and by the rival, the same policy through the library's
``generate``, which reads the whole episode again at every turn (a few rows a call, padded on the
left, with the library's cache within the turn; on one core four rows are quicker than many, which
are padded to the longest). Both draw the same random numbers, so that they
write the same tokens: that they did is checked turn by turn, and log-probabilities are compared.

The policy is the one that ships. ``--preset`` takes another shape with random weights instead: it
writes what the shipped one wrote, in both by the restriction of decoding to one message.

One thread; the processor time of whole rollouts, in turns, with the engine and all bookkeeping.
Games come from a warm cache. The bar is for full houses, whose episodes are long; what small houses
gain is measured beside it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from oreo_agent.agents.decoding import sample_noise
from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.agents.protocol import MAX_ACTION_TOKENS, ActRequest, Agent, AgentDecision
from oreo_agent.envs import make
from oreo_agent.envs.alfworld.houses import ensure_houses
from oreo_agent.envs.core import Observation, StepResult, TaskId
from oreo_agent.envs.worker.pool import EnvFault
from oreo_agent.episodes.record import Actor, Episode, Proposal, Sampling
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.models.presets import PRESETS, build_policy
from oreo_agent.models.rendering import Renderer
from oreo_agent.rollout import Job, run_wave

_BAR = 5.0
_SIZES = ("full", "small")
_TOLERANCE = 1e-3
"""Nats by which the two log-probabilities of a token may differ: they are sums in another order."""

_Forced = Mapping[int, list[int]]
"""The seed of a turn to the message that is to be written."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3, help="pairs of rollouts")
    parser.add_argument("--preset", choices=tuple(PRESETS), help="another shape, random weights")
    parser.add_argument("--size", choices=_SIZES, action="append", help="of the houses; all")
    parser.add_argument("--rows", type=int, default=4, help="most rows of a call of generate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = {size: _measure(options, size) for size in options.size or _SIZES}
    document = {
        "bar": _BAR,
        "holds": all(found["ratio"] >= _BAR for size, found in sizes.items() if size == "full"),
        "policy": options.preset or "shipped",
        **{name: getattr(options, name) for name in ("episodes", "turns", "rounds", "rows")},
        "sizes": sizes,
    }
    print(json.dumps(document))
    return 0 if document["holds"] else 1


def _measure(options: argparse.Namespace, size: str) -> dict[str, Any]:
    """Return episodes a minute of both on houses of a size, and their ratio."""
    pool = _Here(size, options.episodes, options.turns)
    jobs = [Job(task=task, split="train", seed=n) for n, task in enumerate(pool.played)]
    checkpoint = load_checkpoint(Path(str(files("oreo_agent.assets"))) / "checkpoints" / "alfworld")
    renderer = checkpoint.renderer
    policy, forced = checkpoint.policy, None
    shipped = _Cached(policy, renderer, None)
    run_wave(pool, shipped, jobs)  # translates and loads the games
    if options.preset is not None:
        policy, forced = build_policy(options.preset, checkpoint.tokenizer, seed=0), shipped.written
    pairs = [
        _play_both(pool, jobs, number % 2 == 0, policy, renderer, forced, options.rows)
        for number in range(options.rounds)
    ]
    ours, rival = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{size} houses")
    for name, seconds in (("cache across turns", ours), ("generate", rival)):
        print(f"  {name:20} {60 * options.episodes / seconds:8.1f} episodes a minute")
    print(f"  {ratio:.2f} times as many; of single pairs {[round(b / a, 2) for a, b in pairs]}")
    return {
        "ours": round(60 * options.episodes / ours, 1),
        "rival": round(60 * options.episodes / rival, 1),
        "ratio": round(ratio, 2),
        "parameters": sum(p.numel() for p in policy.parameters()),
        "turns_played": len(shipped.written),
    }


def _play_both(
    pool: _Here,
    jobs: Sequence[Job],
    ours_first: bool,
    policy: PreTrainedModel,
    renderer: Renderer,
    forced: _Forced | None,
    rows: int,
) -> tuple[float, float]:
    """Play everything with both; return the seconds of processor time of ours and of the rival."""
    makers: dict[str, Callable[[], Agent]] = {
        "ours": lambda: _Cached(policy, renderer, forced),
        "rival": lambda: _Generate(policy, renderer, forced, rows=rows),
    }
    seconds: dict[str, float] = {}
    episodes: dict[str, Sequence[Episode]] = {}
    for name in ("ours", "rival") if ours_first else ("rival", "ours"):
        agent = makers[name]()
        start = time.process_time()
        episodes[name] = run_wave(pool, agent, jobs).episodes
        seconds[name] = time.process_time() - start
        print(f"{name:6} {seconds[name]:8.2f} s, of these in the agent {agent.seconds:.2f} s")  # type: ignore[attr-defined]
    _expect_same(episodes["ours"], episodes["rival"])
    return seconds["ours"], seconds["rival"]


def _expect_same(ours: Sequence[Episode], rival: Sequence[Episode]) -> None:
    """Stop where both have not written the same tokens with the same log-probabilities."""
    worst = 0.0
    for a, b in zip(ours, rival, strict=True):
        if [t.executed.token_ids for t in a.turns] != [t.executed.token_ids for t in b.turns]:
            raise SystemExit(f"{a.task}: the two rollouts differ")
        for mine, other in zip(a.turns, b.turns, strict=True):
            assert mine.proposed is not None
            assert other.proposed is not None
            pairs = zip(mine.proposed.logprobs or (), other.proposed.logprobs or (), strict=True)
            worst = max(worst, *(abs(x - y) for x, y in pairs))
    if worst > _TOLERANCE:
        raise SystemExit(f"log-probabilities differ by up to {worst} nats")


class _Here:
    """Environments in this process, so that their time is counted; an `EnvPool`."""

    def __init__(self, size: str, episodes: int, turns: int) -> None:
        root = ensure_houses(size=size, counts={"train": episodes}, seed=0)
        self._envs = [make("alfworld", games=str(root), horizon=turns) for _ in range(episodes)]
        self.spec = self._envs[0].spec
        self.played = list(self._envs[0].tasks("train"))

    def task_info(self, task: TaskId) -> Mapping[str, str]:
        return self._envs[0].task_info(task)

    def reset(
        self, tasks: Mapping[int, tuple[TaskId, int | None]]
    ) -> dict[int, Observation | EnvFault]:
        return {slot: self._envs[slot].reset(t, seed=seed) for slot, (t, seed) in tasks.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, StepResult | EnvFault]:
        return {slot: self._envs[slot].step(action) for slot, action in actions.items()}

    def prefetch(self, tasks: Mapping[int, tuple[TaskId, int | None]]) -> None:
        """Nothing is loaded ahead."""


class _Cached(LanguageModelAgent):
    """Our agent, which can be given what to write, and keeps what it wrote."""

    def __init__(self, policy: PreTrainedModel, renderer: Renderer, forced: _Forced | None) -> None:
        temperature = 1.0 if forced is None else 0.0
        super().__init__(policy, renderer, name="policy", temperature=temperature)
        self.written: dict[int, list[int]] = {}
        self.seconds = 0.0
        self._forced = forced

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        start = time.process_time()
        decisions = super().act(requests)
        self.seconds += time.process_time() - start
        for request, decision in zip(requests, decisions, strict=True):
            self.written[request.seed] = list(decision.proposal.token_ids or ())
        return decisions

    def _allowed(self, request: ActRequest) -> list[list[int]] | None:
        return None if self._forced is None else [self._forced[request.seed]]


class _Generate:
    """The same policy through the library's ``generate``, which keeps nothing between turns."""

    name = "policy"
    actor = Actor.POLICY

    def __init__(
        self, policy: PreTrainedModel, renderer: Renderer, forced: _Forced | None, *, rows: int
    ) -> None:
        self._policy: Any = policy
        self._renderer = renderer
        self._forced = forced
        self._rows = rows
        # As ours has it: episodes are called by it.
        self.sampling: Sampling | None = Sampling(temperature=1.0 if forced is None else 0.0)
        self.tokenizer_sha256: str | None = renderer.sha256
        self.seconds = 0.0

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        start = time.process_time()
        decisions = []
        for first in range(0, len(requests), self._rows):
            decisions += self._act(requests[first : first + self._rows])
        self.seconds += time.process_time() - start
        return decisions

    def forget(self, episode: str) -> None:
        """Nothing is kept."""

    def _act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        prompts = [self._renderer.prompt(r.goal, r.history, r.observation) for r in requests]
        width = max(map(len, prompts))
        pad, end = int(self._policy.config.pad_token_id), self._renderer.end_id
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        with torch.inference_mode():
            written = self._policy.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,  # the processor's noise makes the largest score a sample
                max_new_tokens=MAX_ACTION_TOKENS,
                logits_processor=LogitsProcessorList([self._chooser(requests, width)]),
                return_dict_in_generate=True,
                output_logits=True,
            )
            logprobs = (
                torch.stack(written.logits, 1).float().log_softmax(-1)
            )  # (rows, steps, vocabulary)
        tokens = written.sequences[:, width:]
        taken = logprobs.gather(2, tokens[..., None])[..., 0].tolist()
        decisions = []
        for row, logs in zip(tokens.tolist(), taken, strict=True):
            size = row.index(end) + 1 if end in row else len(row)
            message = self._renderer.decode(row[:size])
            decisions.append(
                AgentDecision(
                    proposal=Proposal(
                        message=message,
                        action=message.strip() if end in row else "",
                        token_ids=tuple(row[:size]),
                        logprobs=tuple(logs[:size]),
                        model=self.name,
                    )
                )
            )
        return decisions

    def _chooser(self, requests: Sequence[ActRequest], width: int) -> LogitsProcessor:
        if self._forced is not None:
            return _Tell([self._forced[r.seed] for r in requests], width)
        return _AddNoise([r.seed for r in requests], width, self._renderer.end_id)


class _AddNoise(LogitsProcessor):
    """Adds the Gumbel noise that our agent adds, row by row, so that the largest is a sample."""

    def __init__(self, seeds: Sequence[int], width: int, end_id: int) -> None:
        self._noises = [sample_noise(seed, 1)[0] for seed in seeds]
        self._width = width
        self._end = end_id

    def __call__(self, input_ids: Any, scores: Any) -> Tensor:
        ended = (input_ids[:, self._width :] == self._end).any(1).tolist()
        noisy: Tensor = scores.float().log_softmax(-1).double()
        for row, noise in enumerate(self._noises):
            if not ended[row]:
                noisy[row] += torch.from_numpy(noise.gumbel(size=noisy.shape[1]))
        return noisy


class _Tell(LogitsProcessor):
    """Leaves one token a row."""

    def __init__(self, messages: Sequence[list[int]], width: int) -> None:
        self._messages = messages
        self._width = width

    def __call__(self, input_ids: Any, scores: Any) -> Tensor:
        step = input_ids.shape[1] - self._width
        only = torch.full_like(scores, -torch.inf)
        for row, message in enumerate(self._messages):
            only[row, message[min(step, len(message) - 1)]] = 0.0
        return only


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.exit(main())
