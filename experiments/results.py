"""Draw docs/results.md from the JSON files of the experiments.

    make results

Runs that have not been made have no rows, and a table without rows is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from experiments import (
    ablations,
    corrections,
    critic,
    houses,
    logs,
    mathematics,
    official,
    rounds,
)
from experiments.runs import Measured, measured
from experiments.tables import (
    GREEDY,
    Games,
    core_hours,
    difference,
    each_seed,
    found,
    markdown,
    rate,
    searches,
    share,
    won,
)
from oreo_agent.files import write_whole
from oreo_agent.training.method_names import result_title

__all__ = ["draw"]

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
_HEAD = """# Results

Drawn by `make results` from `experiments/measured/`, one small JSON file a run: the exact command,
its processor time, and which game was won; of forked games, the outcome of every candidate.
Policies decode greedily and freely, 50 turns a game. Brackets hold 95 % Wilson intervals, a game
counted once however many seeds played it, followed by the games won in all seeds together.
Differences are in points, in parentheses those of each seed; tests are paired by game: exact
McNemar for one seed, a sign-flip test clustered by game for several.

So intervals and p-values say how surely *these* policies would differ in more games of the same
scenes. How much another training seed changes is seen in the seeds, which stand apart; three say
little of a fourth. Unseen scenes are four rooms in all, so many houses of them say little of a
fifth. The default settings were chosen while looking at the 320 held-out houses of the first table.
"""


def draw() -> str:
    """Return the whole page."""
    tables = (critic, official, logs, mathematics, rounds, ablations, corrections)
    sections = (
        *(_default_runs(), _sweep(), _regimes(), _guided()),
        *(table.draw() for table in tables),
    )
    return "\n".join([_HEAD, *itertools.chain.from_iterable(sections)])


def _default_runs() -> Iterator[str]:
    runs = [found(houses.TABLE, f"base/{seed}") for seed in houses.SEEDS]
    there = [run for run in runs if run is not None]
    if not there:
        return
    methods = {m: [won(houses.TABLE, run, m) for run in there] for m in there[0].won}
    yield "## The default run, on generated houses\n"
    yield (
        "`python -m experiments.houses base --root runs/experiments`: `oreo-agent train"
        f" alfworld` with {len(there)} seeds, 320 held-out small houses,"
        f" {core_hours(there)} core-hours a seed.\n"
    )
    rows = [
        (result_title(m), rate(games), each_seed(games), *_against(games, methods))
        for m, games in methods.items()
    ]
    heads = [f"minus {result_title(m)}" for m in ("sft", "rejection")]
    yield markdown(("method", "success", "each seed", *heads), rows)


def _against(games: list[Games], methods: dict[str, list[Games]]) -> Iterator[str]:
    for other in ("sft", "rejection"):
        yield "" if methods[other] is games else difference(games, methods[other])


def _sweep() -> Iterator[str]:
    rows = []
    for method, settings in houses.TRIED.items():
        for number, setting in enumerate(settings):
            if run := found(houses.TABLE, f"tune/{method}-{number}"):
                games = won(houses.TABLE, run, houses.AFTER.get(method, method))
                before = sum(won(houses.TABLE, run, "sft").values())
                name = f"`{setting or 'default'}`"
                rows.append((houses.title(method), name, rate([games]), str(before)))
    if rows:
        yield "## Settings that were tried\n"
        yield (
            "`python -m experiments.houses tune --root runs/experiments`: one seed, 320"
            " small houses of another generator seed, which no other table uses. The best"
            " goes into the tables below. Every method had three settings, those that come after"
            " rejection sampling one. The last column is what the policy that a run starts from"
            " wins: the default run's, made on one machine or another.\n"
        )
        yield markdown(("method", "setting", "validation houses won", "won before"), rows)


def _regimes() -> Iterator[str]:
    about = {
        "plenty": "Five rollouts of each of 2,000 houses that were not demonstrated. Methods that"
        " come after rejection sampling go on from the default run's policy, on the same rollouts.",
        "scarce": f"The five rollouts of the first {houses.SCARCE_GAMES} of these houses. Settings"
        " are those that were chosen with plenty of data.",
    }
    for regime in houses.REGIMES:
        seeds: dict[str, list[Games]] = {}
        runs: dict[str, dict[int, Measured]] = {}
        for method in ("sft", *houses.TRIED):
            names = {seed: houses.name_of(method, regime, seed) for seed in houses.SEEDS}
            games = [there for name in names.values() if (there := houses.played(name))]
            if len(games) == len(names):
                seeds[method] = games
                runs[method] = {s: measured(houses.TABLE, name) for s, name in names.items()}
        ours = [method for method in _OURS if method in seeds]
        if not ours:
            continue
        elsewhere: dict[str, list[str]] = {}
        for method in seeds:
            if where := houses.where_from(houses.TABLE, runs[method], method, who=""):
                elsewhere.setdefault(where, []).append(houses.title(method))
        others = "".join(
            f" The rows of {' and of '.join(methods)} start{where}"
            for where, methods in elsewhere.items()
        )
        yield f"## Every method, data: {regime}\n"
        yield (
            f"{about[regime]} Each policy plays {len(seeds[ours[0]][0]):,} held-out small houses,"
            " those of the first table not among them. `python -m experiments.houses"
            " methods --root runs/experiments`. The hours are those of the training command, with"
            " the 640 games that it plays; SFT stands with the whole default run."
            f"{others}\n"
        )
        rows = [
            (
                *(houses.title(method), rate(games), each_seed(games)),
                *(share([_of(split, each) for each in games]) for split in houses.SPLITS),
                *("" if method == our else difference(seeds[our], games) for our in ours),
                core_hours(list(runs[method].values())),
            )
            for method, games in seeds.items()
        ]
        minus = (f"{houses.title(our)} minus it" for our in ours)
        head = ("seen scenes", "unseen scenes", *minus, "core-hours a seed")
        yield markdown(("method", "success", "each seed", *head), rows)


_OURS = ("oreo", "oreo-step", "oreo-after")


def _guided() -> Iterator[str]:
    greedy, others = _greedy(), {agent: _searched(agent) for agent in houses.guided_agents()}
    if not greedy or not any(others.values()):
        return
    yield "## Searching with V\n"
    yield (
        "`python -m experiments.houses guided --root runs/experiments`: a policy that"
        " OREO learnt from plenty of data, V behind a turn learning from V where the next turn"
        " begins (`oreo.after_state_target=next`); and what it does when the best of K samples is"
        " taken by V alone, by log-probability alone, or by both (`prior=0.05`); samples at"
        " temperature 1, 320 held-out small houses. `lookahead` tries the samples out in a fork of"
        " the game and takes the best by V behind the environment's answer, which no other agent"
        " sees beforehand."
        f"{houses.where_from(houses.TABLE, _guiding())}\n"
    )
    yield searches({GREEDY: greedy, **others})
    for part in houses.FURTHER:
        yield from _further(part)


def _further(part: str) -> Iterator[str]:
    found_ = {
        agent: {s: games for s in houses.SEEDS if (games := houses.further(part, agent, s))}
        for agent in houses.BEST
    }
    if not all(found_.values()):
        return
    best = {GREEDY if agent == "greedy" else agent: seeds for agent, seeds in found_.items()}
    about = {
        "further": "The search that was chosen in these 320 houses, in {count} others",
        "usual": "The same {count} houses with the policy and V that OREO learns by default, the"
        " same updates on the same rollouts",
    }
    command = f"python -m experiments.houses {part} --root runs/experiments"
    yield f"{about[part].format(count=len(next(iter(best[GREEDY].values()))))} (`{command}`):\n"
    yield searches(best)
    for split, scenes in zip(houses.SPLITS, ("seen", "unseen"), strict=True):
        yield f"Of these, the houses of {scenes} scenes:\n"
        yield searches(
            {a: {s: _of(split, games) for s, games in seeds.items()} for a, seeds in best.items()}
        )


def _of(split: str, games: Games) -> Games:
    return {task: is_won for task, is_won in games.items() if task.startswith(f"{split}/")}


def _greedy() -> dict[int, Games]:
    return {seed: won(houses.TABLE, run, "oreo") for seed, run in _guiding().items()}


def _guiding() -> dict[int, Measured]:
    runs = {seed: found(houses.TABLE, houses.guiding_name(seed)) for seed in houses.SEEDS}
    return {seed: run for seed, run in runs.items() if run}


def _searched(agent: str) -> dict[int, Games]:
    """Return what an agent won of both splits, for the seeds that have played them."""
    games = {
        seed: houses.in_both(
            [houses.searched_name("guided", agent, split, seed) for split in houses.SPLITS]
        )
        for seed in houses.SEEDS
    }
    return {seed: there for seed, there in games.items() if there}


if __name__ == "__main__":
    write_whole(PAGE, draw().encode())
    print(PAGE)
