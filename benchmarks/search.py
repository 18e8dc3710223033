"""Success of searches against the number of candidates, and what they cost in tokens and steps.

    python benchmarks/search.py math --checkpoint runs/math/checkpoints/oreo
    python benchmarks/search.py alfworld --checkpoint runs/demo/checkpoints/oreo --agents \
        model value:3:prior=0.05 value:3:by=logprob

Every agent plays the same games. The control of ``value:K`` is ``value:K:by=logprob``: what it
gains over greedy play is gained by re-ranking whole actions, without any value model. Counted are
the tokens that went through the policy and the value model, and the steps that a lookahead took
besides those of the episodes. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from oreo_agent.agents.factory import make_agent
from oreo_agent.config import resolve
from oreo_agent.envs.registry import BUILT_IN, plugin_of
from oreo_agent.evaluation import mcnemar_exact, wilson_interval
from oreo_agent.training.config import config_type
from oreo_agent.training.evaluate import evaluate
from oreo_agent.training.results import MethodResult

_COUNTS = (1, 2, 3, 5, 8)
_RANKINGS = ("", ":prior=0.05", ":by=logprob")
_BEAMS = (2, 3, 5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("env", choices=tuple(BUILT_IN))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--agents", nargs="+", help="by default greedy play, then all K and beams")
    parser.add_argument("--split", help="the first held-out one by default")
    parser.add_argument("--limit", type=int, default=150, help="games")
    parser.add_argument("--set", action="append", default=[], help="a setting, as of oreo-agent")
    options = parser.parse_args()
    kind = config_type(options.env)
    config = resolve(kind, env={}, sets=options.set).value
    split = options.split or next(iter(config.plan().held_out))
    found: dict[str, MethodResult] = {}
    for name in options.agents or _agents(options.env):
        agent = make_agent(name, replace(config.agent_setting(), checkpoint=options.checkpoint))
        result = evaluate(config, agent, name=name, split=split, limit=options.limit)
        found[name] = result
        print(_line(result, found), flush=True)
    document = {
        name: {
            "won": sum(result.won().values()),
            "games": len(result.games),
            "cost": None if result.cost is None else msgspec.structs.asdict(result.cost),
        }
        for name, result in found.items()
    }
    print(json.dumps({"env": options.env, "split": split, "agents": document}))
    return 0


def _agents(env: str) -> list[str]:
    names = ["model", *(f"value:{k}{ranking}" for ranking in _RANKINGS for k in _COUNTS)]
    if plugin_of(env).plans_steps:
        names += [f"beam:{b}{ranking}" for ranking in _RANKINGS for b in _BEAMS]
    return [*names, "lookahead:3x1:prior=0.05"]


def _line(result: MethodResult, found: dict[str, MethodResult]) -> str:
    won = result.won()
    low, high = wilson_interval(sum(won.values()), len(won))
    text = f"{result.method:28} {sum(won.values()) / len(won):6.1%} [{low:.1%}, {high:.1%}]"
    first = next(iter(found.values()))
    if result is not first:
        text += f"  p = {mcnemar_exact(won, first.won()):.2g} against {first.method}"
    if result.cost is not None and result.cost.turns:
        cost, turns = result.cost, result.cost.turns
        text += (
            f"; a turn: {cost.policy_tokens / turns:.1f} policy tokens,"
            f" {cost.value_tokens / turns:.1f} value tokens,"
            f" {cost.env_steps / turns:.1f} environment steps"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
