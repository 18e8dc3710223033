"""What the tables of docs/results.md are made of: won games, rates, paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from experiments.runs import RESULTS, Measured, measured, read_games
from oreo_agent.evaluation import mcnemar_exact, sign_flip_test, wilson_interval

__all__ = [
    "GREEDY",
    "Games",
    "core_hours",
    "difference",
    "each_seed",
    "found",
    "in_every",
    "in_several_ways",
    "markdown",
    "only",
    "p_text",
    "rate",
    "searches",
    "share",
    "won",
]

Games = Mapping[str, bool]
"""Task to whether it was won."""

GREEDY = "model, greedily"
"""The policy alone, as tables of searches call it; `model` is the same at temperature 1."""


def found(table: str, name: str) -> Measured | None:
    """Read what a run measured; None where it has not been made."""
    return measured(table, name) if (RESULTS / table / f"{name}.json").exists() else None


def won(table: str, run: Measured, method: str) -> Games:
    """Return what one method of a run won."""
    tasks = read_games(table, str(run.facts["games"]))
    return {task: mark == "1" for task, mark in zip(tasks, run.won[method], strict=True)}


def only(table: str, run: Measured) -> Games:
    """Return what the one method of a run won."""
    [method] = run.won
    return won(table, run, method)


def in_every(table: str, names: Sequence[str]) -> list[Games]:
    """Return what each of several runs of one method won; nothing where one is missing."""
    runs = [found(table, name) for name in names]
    return [only(table, run) for run in runs if run] if all(runs) else []


def rate(seeds: Sequence[Games]) -> str:
    """Return the mean rate over seeds, its interval with every game counted once, the counts."""
    mean, count = sum(map(_share, seeds)) / len(seeds), len(seeds[0])
    low, high = wilson_interval(mean * count, count)
    total = sum(sum(games.values()) for games in seeds)
    return f"{mean:.1%} [{low:.1%}, {high:.1%}] ({total}/{count * len(seeds)})"


def share(seeds: Sequence[Games]) -> str:
    """Return the mean rate over seeds alone."""
    return f"{sum(map(_share, seeds)) / len(seeds):.1%}"


def each_seed(seeds: Sequence[Games]) -> str:
    """Return the rates of the seeds, in order."""
    return ", ".join(f"{_share(games):.1%}" for games in seeds)


def difference(ours: Sequence[Games], theirs: Sequence[Games]) -> str:
    """Return ours minus theirs in points, that of each seed, and the p-value of the paired test.

    One seed: exact McNemar. Several: a sign-flip test clustered by game.
    """
    pairs = list(zip(ours, theirs, strict=True))
    if len(pairs) == 1:
        return f"{_points(*pairs[0])}, {p_text(mcnemar_exact(*pairs[0]))}"
    mean = {task: sum(a[task] - b[task] for a, b in pairs) / len(pairs) for task in ours[0]}
    points = f"{100 * sum(mean.values()) / len(mean):+.1f}"
    return (
        f"{points} ({' '.join(_points(*pair) for pair in pairs)}), {p_text(sign_flip_test(mean))}"
    )


def p_text(value: float) -> str:
    """Write a p-value; the sign-flip test cannot tell small ones apart."""
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def core_hours(runs: Sequence[Measured]) -> str:
    """Return the mean processor time of a run."""
    return f"{sum(run.core_seconds for run in runs) / max(1, len(runs)) / 3600:.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def in_several_ways(
    rows: Mapping[str, Mapping[str, list[Games]]], *, against: Sequence[str]
) -> str:
    """Return a table of what policies won when they were measured in several ways.

    Args:
        rows: What a policy won in each seed, by way; seeds without a run are left out.
        against: The rows from which the others, where they have as many seeds, are subtracted.
    """

    def cells(name: str, way: str) -> Iterator[str]:
        games = rows[name][way]
        yield rate(games) if games else ""
        yield each_seed(games) if games else ""
        for other in against:
            theirs = rows[other][way]
            paired = games and other != name and len(games) == len(theirs)
            yield difference(games, theirs) if paired else ""

    ways = list(next(iter(rows.values())))
    head = [word for way in ways for word in (way, "each seed", *(f"minus {o}" for o in against))]
    body = [(name, *(cell for way in ways for cell in cells(name, way))) for name in rows]
    return markdown(("method", *head), body)


def searches(played: Mapping[str, Mapping[int, Games]]) -> str:
    """Return a table of searches beside their policy alone, and as many candidates without V.

    Args:
        played: What an agent won, by seed; agents without a run are left out.
    """

    def minus(agent: str, other: str) -> str:
        """Return the difference over the seeds that both have."""
        ours, theirs = played[agent], played.get(other, {})
        seeds = [] if agent == other else [seed for seed in ours if seed in theirs]
        return difference([ours[s] for s in seeds], [theirs[s] for s in seeds]) if seeds else ""

    rows = []
    for agent, seeds in played.items():
        if seeds:
            games = list(seeds.values())
            count = agent.partition(":")[2].partition(":")[0].partition("x")[0]
            control = f"value:{count}:by=logprob"
            others = (minus(agent, other) for other in (GREEDY, "model", control))
            rows.append((f"`{agent}`", rate(games), each_seed(games), *others))
    head = ("minus greedy", "minus sampled", "minus the same K by log-probability")
    return markdown(("agent", "success", "each seed", *head), rows)


def _points(ours: Games, theirs: Games) -> str:
    return f"{100 * (_share(ours) - _share(theirs)):+.1f}"


def _share(games: Games) -> float:
    return sum(games.values()) / max(1, len(games))
