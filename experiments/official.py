"""The official games: agents trained from nothing on the 3,553 training games play valid_seen.

    python -m experiments.official shipped --root runs/experiments --data ALFWORLD
    python -m experiments.official brief --root runs/experiments --data ALFWORLD
    python -m experiments.official small --root runs/experiments --data ALFWORLD

``shipped`` measures the agent that ships, alone and with searches that its V guides. It was cloned
so long that its own rollouts are hardly ever lost, which leaves other methods nothing to learn
from; ``brief`` clones a quarter as long, and compares what rejection sampling and OREO then make of
the same rollouts, once from SFT and once more from rejection sampling's policy; ``small`` does so
with a policy of 5 M parameters and fewer updates. Every policy plays all 140 games, freely and
restricted to admissible actions; searches play freely. It may be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import houses
from experiments.runs import Run, execute
from experiments.tables import (
    GREEDY,
    Games,
    core_hours,
    found,
    in_every,
    in_several_ways,
    only,
    rate,
    searches,
    won,
)

__all__ = ["draw"]

TABLE = "official"
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Agents that are cloned for a while and then learn from their own rollouts."""

    about: str
    settings: Sequence[str]
    methods: Sequence[str]
    """What learns from SFT's policy."""
    after: str
    """Name of the runs that go on from rejection sampling's policy."""
    after_settings: Sequence[str]

    def learnt(self, part: str) -> dict[str, str]:
        """Return the name of the runs that train each method."""
        return dict.fromkeys(("sft", *self.methods), part) | dict.fromkeys(houses.AFTER, self.after)


_GAMES = (
    *("games.train=0", "games.valid_seen=0", "games.validation=60"),
    *("demonstrations.games=0", "demonstrations.per_game=2", "rollouts.games=all"),
)
_AFTER = ("games.train=1", "games.valid_seen=0", "games.validation=0", "rejection.lr=1e-4")
PARTS: Mapping[str, Part] = {
    "brief": Part(
        about="Policies as large as the one that ships, cloned for 1,000 updates in place of 4,000,"
        " which leaves something to learn from two rollouts of each game.",
        settings=(*_GAMES, "model.preset=tiny", "sft.steps=1000", "rollouts.per_game=2"),
        methods=("rejection", "oreo"),
        after="after",
        # What the methods that go on from rejection sampling were tuned to on generated houses.
        after_settings=(*_AFTER, "oreo.steps=600", "oreo.value_warmup=300", "oreo.lr=1e-4"),
    ),
    "small": Part(
        about="Policies of 5 M parameters, cloned for 700 updates, and one rollout of each game."
        " Nothing was tuned for this size.",
        settings=(
            *(*_GAMES, "model.preset=small", "sft.steps=700", "sft.lr=2e-3"),
            *("rollouts.per_game=1", "oreo.steps=600", "rejection.lr=3e-4"),
        ),
        methods=("rejection",),
        after="small-after",
        after_settings=(*_AFTER, "oreo.steps=150", "oreo.value_warmup=75", "oreo.lr=1e-4"),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=("shipped", *PARTS))
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--data", type=Path, required=True, help="folder of the official games")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    options = parser.parse_args()
    if options.part == "shipped":
        execute(TABLE, list(_shipped(options.data)), options.root)
    else:
        for seed in options.seeds:
            execute(TABLE, list(_learning(options, options.part, seed)), options.root)
    return 0


def draw() -> Iterator[str]:
    """Yield the lines of its section of docs/results.md."""
    yield from _draw_shipped()
    for name in PARTS:
        yield from _draw_learning(name)


def _draw_shipped() -> Iterator[str]:
    ways = [found(TABLE, f"play/shipped-{way}") for way in ("free", "restricted")]
    free, restricted = ([] if run is None else [only(TABLE, run)] for run in ways)
    if not free or not restricted:
        return
    yield "## Official games: the agent that ships\n"
    yield (
        "0.95 M parameters, trained from nothing on the 3,553 training games, plays all 140 games"
        " of valid_seen, once each. `python -m experiments.official shipped --root"
        f" runs/experiments --data ALFWORLD`. It wins {rate(free)} freely and {rate(restricted)}"
        " restricted to admissible actions; SFT of the run that trained it won 121 freely,"
        " rejection sampling 124. Searches decode freely;"
        " `lookahead` tries its candidates out in a fork of the game first.\n"
    )
    alone = {GREEDY: {0: free[0]}}
    found_ = {agent: found(TABLE, f"play/{_searching(agent)}") for agent in _AGENTS}
    yield searches(alone | {a: {0: only(TABLE, run)} if run else {} for a, run in found_.items()})


def _draw_learning(name: str) -> Iterator[str]:
    part = PARTS[name]
    trained = {seed: run for seed in SEEDS if (run := found(TABLE, f"{name}/{seed}"))}
    if not trained:
        return
    after = [run for seed in trained if (run := found(TABLE, f"{part.after}/{seed}"))]
    yield f"## Official games: less imitation, `{_setting(part, 'model.preset')}`\n"
    yield (
        f"{part.about} `python -m experiments.official {name} --root runs/experiments"
        f" --data ALFWORLD`, {core_hours(list(trained.values()))} core-hours a seed, and"
        f" {core_hours(after)} for what goes on from rejection sampling. Seeds: {len(trained)}.\n"
    )
    rows = {
        houses.title(method): {
            "free": _free(run, method, trained),
            "restricted": in_every(
                TABLE, [f"play/{name}-{seed}-{method}-restricted" for seed in trained]
            ),
        }
        for method, run in part.learnt(name).items()
    }
    against = ("sft", "rejection", "rejection-after")
    yield in_several_ways(rows, against=[houses.title(method) for method in against])


def _setting(part: Part, key: str) -> str:
    return dict(setting.split("=", 1) for setting in part.settings)[key]


def _free(run: str, method: str, seeds: Iterable[int]) -> list[Games]:
    """Return what a method won in each seed; nothing where one is missing."""
    runs = [found(TABLE, f"{run}/{seed}") for seed in seeds]
    learnt = houses.AFTER.get(method, method)
    return [won(TABLE, run, learnt) for run in runs if run] if all(runs) else []


_AGENTS = houses.guided_agents()
"""The policy, sampled, and searches with it."""
_RESTRICTED = ("-s", "evaluation.restricted=true")


def _shipped(data: Path) -> Iterator[Run]:
    yield _play("shipped-free", data)
    yield _play("shipped-restricted", data, *_RESTRICTED)
    for agent in _AGENTS:
        sampled = ("--temperature", "1") if agent == "model" else ()
        yield _play(_searching(agent), data, "--agent", agent, *sampled)


def _searching(agent: str) -> str:
    return f"shipped-{agent.replace(':', '-')}"


def _learning(options: argparse.Namespace, name: str, seed: int) -> Iterator[Run]:
    part = PARTS[name]
    runs = options.root / TABLE
    trained = runs / name / str(seed)
    logged = ("--episodes", str(trained / "episodes" / "rollouts"))
    start = ("--checkpoint", str(trained / "checkpoints" / "rejection"))
    for run, methods, arguments, settings in (
        (name, part.methods, (), part.settings),
        (part.after, houses.AFTER.values(), (*logged, *start), part.after_settings),
    ):
        yield Run(
            name=f"{run}/{seed}",
            arguments=(
                *("train", "alfworld", *_games(options.data), "--seed", str(seed)),
                *(word for method in methods for word in ("--method", method)),
                *arguments,
                *(word for each in settings for word in ("-s", each)),
            ),
            facts={"seed": seed, "games": "valid_seen"},
        )
    for method, run in part.learnt(name).items():
        folder = runs / run / str(seed) / "checkpoints" / houses.AFTER.get(method, method)
        played = f"{name}-{seed}-{method}-restricted"
        yield _play(played, options.data, "--checkpoint", str(folder), *_RESTRICTED)


def _play(name: str, data: Path, *arguments: str) -> Run:
    return Run(
        name=f"play/{name}",
        arguments=("eval", "alfworld", *_games(data), "--split", "valid_seen", *arguments),
        facts={"games": "valid_seen"},
    )


def _games(data: Path) -> tuple[str, ...]:
    return ("--games", "official", "--data", str(data))


if __name__ == "__main__":
    sys.exit(main())
