"""Every method on generated ALFWorld houses, three seeds, plenty of data and little.

    python -m experiments.houses base --root runs/experiments
    python -m experiments.houses tune --root runs/experiments
    python -m experiments.houses methods --root runs/experiments
    python -m experiments.houses guided --root runs/experiments
    python -m experiments.houses further --root runs/experiments
    python -m experiments.houses usual --root runs/experiments

``base`` is the default run of ``oreo-agent train alfworld`` with each seed; everything else starts
from its policies and its rollouts. ``tune`` tries settings of every method from the first seed,
on houses of another generator seed, which no other run plays; ``methods`` trains with those that
won most of them; ``guided`` trains OREO once more, with a V that learns from less noise what a
search asks it, and lets searches act with it. Training runs play 320 houses; the policies of
``methods`` then play 1,600: two points are lost in the noise of 320, which stay out of their table;
and ``further`` repeats the search that won most of the 320 on other houses, ``usual`` there too,
with the V that OREO learns by default. Each may be stopped and started again.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from experiments.runs import RESULTS, Measured, Run, execute, read_games, write_episodes
from experiments.tables import Games, found, in_every, won
from oreo_agent.episodes import read_episodes
from oreo_agent.errors import MissingError
from oreo_agent.training.method_names import result_title

__all__ = [
    "AFTER",
    "BEST",
    "COUNTS",
    "FURTHER",
    "LITTLE",
    "RANKINGS",
    "REGIMES",
    "SEEDS",
    "SPLITS",
    "TABLE",
    "TRIED",
    "WIDE",
    "base",
    "chosen",
    "episodes_of",
    "further",
    "guided_agents",
    "guiding_name",
    "in_both",
    "learning",
    "make_bases",
    "name_of",
    "played",
    "searched_name",
    "take_few",
    "title",
    "where_from",
]

TABLE = "houses"
SEEDS = (0, 1, 2)
REGIMES = ("plenty", "scarce")
SPLITS = ("valid_seen", "valid_unseen")
SCARCE_GAMES = 60
"""Houses whose five rollouts are all there is in the scarce regime."""

WIDE = 800
"""Houses of a split that the policies of the tables play."""

TRIED: dict[str, Sequence[str]] = {
    "rejection": ("", "oreo.steps=300", "oreo.steps=1200"),
    "dpo": ("dpo.lr=1e-5", "", "dpo.lr=3e-5"),
    "dpo-nll": ("", "dpo_nll.lr=1e-4", "dpo_nll.lr=5e-4"),
    "kto": ("kto.lr=3e-4", "", "kto.lr=3e-5"),
    "oreo": ("", "oreo.lr=2e-4", "oreo.lr=2e-4 oreo.alpha=0.003"),
    "oreo-step": ("", "oreo.lr=2e-4", "oreo.lr=2e-4 oreo.step_alpha=0.03"),
    "oreo-response": ("", "oreo.lr=2e-4", "oreo.lr=2e-4 oreo.response_alpha=0.1"),
    "rejection-after": ("rejection.lr=1e-4",),
    "oreo-after": ("oreo.lr=1e-4 oreo.value_warmup=300",),
}
"""Three settings of each method, one of those that come after another; "" is the default."""

AFTER = {"rejection-after": "rejection", "oreo-after": "oreo"}
"""Methods that go on from the default run's rejection sampling policy, in place of SFT."""

_PLENTY = ("-s", "oreo.steps=600", "-s", "oreo.value_warmup=75")
"""Updates of every method: those of OREO go through the 10,000 rollouts once."""
LITTLE = ("-s", "oreo.steps=150", "-s", "oreo.value_warmup=40")
"""The same with 300 rollouts, eight times through them."""
RANKINGS = ("by=value", "by=logprob", "prior=0.05")
"""By V, by the policy's log-probability, and by both."""
COUNTS = (2, 3, 5, 8)
"""Candidates a turn."""
LOOKAHEADS = ("lookahead:2x1", "lookahead:5x1")
"""The same by V behind the environment's answer, which they see before they act: privileged."""
BEST = ("greedy", "model", "value:2:by=value", "value:2:by=logprob")
"""The search that won most of the 320 houses, and what it is compared with on others."""
_FURTHER = 480
"""Houses of a split that these play; the first 160, which chose, are left out of the table."""
_UPDATES = ("oreo.steps=1200", "oreo.value_warmup=150")
"""As many as in the default run."""
_FOR_SEARCH = (*_UPDATES, "oreo.after_state_target=next", "oreo.after_state_weight=1")
"""And a V behind turns that is less noisy."""
FURTHER = {"further": "guided", "usual": "usual"}
"""Parts that play more houses, and whose policy and V plays there."""
_OTHER_HOUSES = ("-s", "games.seed=1")
_FEW_TRAINING = ("-s", "games.train=1", "-s", "games.validation=0")
"""Runs from logged rollouts play no training game: there is no need to build 3,000."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=("base", "tune", "methods", "guided", *FURTHER))
    parser.add_argument("--root", type=Path, required=True, help="where the runs' folders go")
    parser.add_argument("--only", nargs="*", default=[], help="methods")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, help="of searches")
    options = parser.parse_args()
    root: Path = options.root
    only = tuple(options.only) or ("sft", *TRIED)
    make_bases(root, SEEDS)
    if options.part == "tune":
        execute(TABLE, list(_tuning(root, only)), root)
    elif options.part == "methods":
        for seed in SEEDS:
            take_few(root, seed)
        execute(TABLE, list(_methods(root, only)), root)
    elif options.part == "guided":
        execute(TABLE, list(_guided(root, options.seeds)), root)
    elif options.part in FURTHER:
        execute(TABLE, list(_further(root, options.part, options.seeds)), root)
    return 0


def base(seed: int) -> Run:
    """The default run: the SFT policy, its rollouts, rejection sampling and OREO."""
    return Run(
        name=f"base/{seed}",
        arguments=("train", "alfworld", "--seed", str(seed)),
        facts={"seed": seed},
    )


def make_bases(root: Path, seeds: Iterable[int]) -> None:
    """Make the default runs that are not there: others start from their policies and rollouts.

    Raises:
        MissingError: One was measured elsewhere, and its folder is not under this root.
    """
    execute(TABLE, [base(seed) for seed in seeds], root)
    for seed in seeds:
        folder = root / TABLE / base(seed).name
        if not (folder / "checkpoints" / "sft").exists():
            raise MissingError(
                f"{folder}: no such run, though {RESULTS.name}/{TABLE} has what it measured.",
                f"Make it again: oreo-agent {' '.join(base(seed).arguments)} --threads 1 --out"
                f" {folder}; or delete {RESULTS.name}/{TABLE} to measure everything again.",
            )


def episodes_of(root: Path, seed: int) -> Path:
    """Return the folder of the default run's episodes."""
    return root / TABLE / "base" / str(seed) / "episodes"


def learning(
    root: Path,
    method: str,
    *,
    seed: int,
    name: str,
    logged: str,
    extra: Sequence[str],
    facts: dict[str, str],
) -> Run:
    """One method from the SFT policy, or one of `AFTER`, and logged rollouts of its seed."""
    start = "rejection" if method in AFTER else "sft"
    settings = [word for part in facts["setting"].split() for word in ("-s", part)]
    return Run(
        name=name,
        arguments=(
            *("train", "alfworld", "--seed", str(seed), "--method", AFTER.get(method, method)),
            *("--episodes", str(episodes_of(root, seed) / logged)),
            *("--checkpoint", str(root / TABLE / "base" / str(seed) / "checkpoints" / start)),
            *(*_FEW_TRAINING, *_PLENTY, *extra, *settings),
        ),
        facts={"seed": seed, "method": method, **facts},
    )


def take_few(root: Path, seed: int) -> None:
    """Copy the rollouts of the first few houses, the scarce regime's data."""
    folder = episodes_of(root, seed)
    few = folder / "scarce"
    if few.exists():
        return
    rollouts = list(read_episodes([folder / "rollouts"]))
    tasks = list(dict.fromkeys(episode.task for episode in rollouts))[:SCARCE_GAMES]
    write_episodes(few, (episode for episode in rollouts if episode.task in tasks))


def chosen(method: str) -> str:
    """Return the setting with which a method won most validation houses, the first of equals.

    Raises:
        MissingError: Not every setting has been tried.
    """
    tried = {s: found(TABLE, f"tune/{method}-{n}") for n, s in enumerate(TRIED[method])}
    key = AFTER.get(method, method)
    wins = {s: run.won[key].count("1") for s, run in tried.items() if run is not None}
    if len(wins) < len(tried):
        raise MissingError(f"{method} has not been tuned.", "Run the part `tune` first.")
    return max(wins, key=lambda setting: wins[setting])


def in_both(names: Sequence[str]) -> Games:
    """Return what was won of both splits by two runs; empty until both have been made."""
    return {t: is_won for part in in_every(TABLE, names) for t, is_won in part.items()}


def played(name: str) -> Games:
    """Return what the policy of a run won of the many houses that nothing was chosen by."""
    return _not_yet_seen(in_both([f"play/{name}-{split}" for split in SPLITS]))


def name_of(method: str, regime: str, seed: int) -> str:
    """Return the name of the run that trained a method."""
    return f"base/{seed}" if method == "sft" else f"{regime}/{method}-{seed}"


def title(method: str) -> str:
    """Return how tables call a method, one of `AFTER` too."""
    after = " after rejection sampling" if method in AFTER else ""
    return result_title(AFTER.get(method, method)) + after


def where_from(
    table: str, runs: Mapping[int, Measured], method: str = "", who: str = " They start"
) -> str:
    """Say which policies runs of seeds start from, unless those are the default run's.

    A run plays what it starts from: greedily, so the same policy wins the same games.
    """
    start = "rejection" if method in AFTER else "sft"
    starts = {seed: won(table, run, "sft") for seed, run in runs.items()}
    bases = {seed: run for seed in runs if (run := found(TABLE, f"base/{seed}"))}
    if all(won(TABLE, run, start) == starts[seed] for seed, run in bases.items()):
        return ""
    counts = ", ".join(str(sum(games.values())) for games in starts.values())
    return (
        f"{who} from policies that the default run's command made on another machine, where sums"
        f" round otherwise: these win {counts} of the first table's 320 houses."
    )


def guided_agents() -> list[str]:
    """Return the policy alone, sampled, the searches with it, and those that try actions out."""
    by_text = (f"value:{k}:{by}" for k, by in itertools.product(COUNTS, RANKINGS))
    return ["model", *by_text, *LOOKAHEADS]


def searched_name(part: str, agent: str, split: str, seed: int) -> str:
    """Return the name of the run in which an agent plays a split for a part."""
    return f"{part}/{agent.replace(':', '-')}-{split}-{seed}"


def further(part: str, agent: str, seed: int) -> Games:
    """Return what an agent of `BEST` won of the further houses."""
    names = [searched_name(part, agent, split, seed) for split in SPLITS]
    return _not_yet_seen(in_both(names))


def guiding_name(seed: int, trained: str = "guided") -> str:
    """Return the name of the run that trains the policy and V that searches use."""
    return f"{trained}/train-{seed}"


def _not_yet_seen(games: Games) -> Games:
    """Leave out the 320 houses of the training runs, by which methods and searches were judged."""
    known = set(read_games(TABLE, "held-out")) if games else set()
    return {task: is_won for task, is_won in games.items() if task not in known}


def _playing(root: Path, method: str, *, name: str, seed: int) -> Iterator[Run]:
    """The policy that a run has trained, on many houses of each split."""
    learnt = AFTER.get(method, method)
    checkpoint = root / TABLE / name / "checkpoints" / learnt
    for split in SPLITS:
        yield Run(
            name=f"play/{name}-{split}",
            arguments=(
                *("eval", "alfworld", "--checkpoint", str(checkpoint), "--split", split),
                *("--seed", str(seed), "-s", f"games.{split}={WIDE}"),
            ),
            facts={"seed": seed, "method": method, "games": f"{split}-{WIDE}"},
        )


def _tuning(root: Path, only: Iterable[str]) -> Iterator[Run]:
    for method in only:
        for number, setting in enumerate(TRIED.get(method, ())):
            yield learning(
                root,
                method,
                seed=0,
                name=f"tune/{method}-{number}",
                logged="rollouts",
                extra=_OTHER_HOUSES,
                facts={"setting": setting, "games": "validation"},
            )


def _methods(root: Path, only: Iterable[str]) -> Iterator[Run]:
    for regime, seed, method in itertools.product(REGIMES, SEEDS, only):
        name = name_of(method, regime, seed)
        if method == "sft":
            if regime == REGIMES[0]:
                yield from _playing(root, method, name=name, seed=seed)
            continue
        if regime == "scarce" and method in AFTER:
            continue  # that policy has learnt from plenty
        yield learning(
            root,
            method,
            seed=seed,
            name=name,
            logged="rollouts" if regime == "plenty" else "scarce",
            extra=() if regime == "plenty" else LITTLE,
            facts={"setting": chosen(method), "regime": regime},
        )
        yield from _playing(root, method, name=name, seed=seed)


def _guided(root: Path, seeds: Iterable[int]) -> Iterator[Run]:
    """Policies and V from plenty of rollouts, and searches with them."""
    for seed in seeds:
        yield _guiding(root, seed, "guided")
        for agent, split in itertools.product(guided_agents(), SPLITS):
            arguments = _searching(root, agent, split, seed, "guided")
            facts = {"seed": seed, "agent": agent, "split": split, "games": split}
            name = searched_name("guided", agent, split, seed)
            yield Run(name=name, arguments=arguments, facts=facts)


def _further(root: Path, part: str, seeds: Iterable[int]) -> Iterator[Run]:
    """The best search and what it is compared with, on more houses."""
    for seed in seeds:
        yield _guiding(root, seed, FURTHER[part])
        for agent, split in itertools.product(BEST, SPLITS):
            arguments = _searching(root, agent, split, seed, FURTHER[part])
            yield Run(
                name=searched_name(part, agent, split, seed),
                arguments=(*arguments, "-s", f"games.{split}={_FURTHER}"),
                facts={"seed": seed, "agent": agent, "games": f"{split}-{_FURTHER}"},
            )


def _guiding(root: Path, seed: int, trained: str) -> Run:
    return learning(
        root,
        "oreo",
        seed=seed,
        name=guiding_name(seed, trained),
        logged="rollouts",
        extra=(),
        facts={"setting": " ".join(_UPDATES if trained == "usual" else _FOR_SEARCH)},
    )


def _searching(root: Path, agent: str, split: str, seed: int, trained: str) -> tuple[str, ...]:
    """Return the command by which an agent plays; ``model`` is sampled."""
    checkpoint = root / TABLE / guiding_name(seed, trained) / "checkpoints" / "oreo"
    kind = "model" if agent == "greedy" else agent
    sampled = ("--temperature", "1") if agent == "model" else ()
    return (
        *("eval", "alfworld", "--agent", kind, "--checkpoint", str(checkpoint)),
        *("--split", split, "--seed", str(seed), *sampled),
    )


if __name__ == "__main__":
    raise SystemExit(main())
