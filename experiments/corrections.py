"""The product's loop: an agent fails, its failures are corrected at the screen, it learns from it.

    python -m experiments.corrections wording --base runs/demo --out runs/loop --seed 0

A round collects failed episodes of training games with the OREO checkpoint of a finished run of
``oreo-agent train alfworld``, has the expert correct them by keys in the application that
``oreo-agent replay`` starts, and trains from the same checkpoint with as many updates on the failed
episodes, and on these and the corrected ones. The lesson ``same`` has the games that the agent
knows, ``wording`` gives it goals in people's words, which it was never taught. It may be stopped
and started again. ``--tune`` measures on houses of another generator seed, to choose settings.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.corrections_screen import Correction, correct_all
from experiments.runs import Run, execute, write_episodes
from experiments.tables import (
    difference,
    each_seed,
    found,
    markdown,
    rate,
    won,
)
from oreo_agent.cli.common.screen_services import ServiceOptions
from oreo_agent.episodes import Actor, EpisodeStore, Outcome, read_episodes
from oreo_agent.errors import RunFailedError

__all__ = ["draw"]

SEEDS = (0, 1, 2)
FAILURES = 100
HORIZON = 30
"""Turns after which an agent that was not yet done counts as having failed; small houses are won in
about ten. A correction has the game's own 50."""
ANCHOR = 1000
"""Rollouts of the base run, of its first games, that some arms learn from besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What is learnt from, and how."""

    stores: Sequence[str]
    settings: Sequence[str]
    methods: Sequence[str] = ("oreo",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the agent is to learn.

    Attributes:
        table: Of its results.
        about: What its section of docs/results.md says first.
        games: Settings of the games that it is taught in and measured on.
        attempts: Games that it plays to lose enough of them.
        arms: What is compared.
        rows: The arms without and with the corrections of each comparison, and what both share.
    """

    table: str
    about: str
    games: Sequence[str]
    attempts: int
    arms: Mapping[str, Arm]
    rows: Sequence[tuple[str, str, str]]


_SETTINGS = ("oreo.steps=100", "oreo.value_warmup=20", "oreo.lr=2e-4")
_ANCHORED = ("oreo.steps=300", "oreo.value_warmup=60", "oreo.lr=3e-4")
_IMITATED = ("rejection.lr=5e-4", "oreo.lr=1e-4", "oreo.start=rejection")
LESSONS: Mapping[str, Lesson] = {
    "same": Lesson(
        table="corrections",
        about="""## Learning from corrections at the screen: more of the same

`python -m experiments.corrections same --base RUN --out runs/loop --seed S`: the
OREO checkpoint of the default run plays training games that were not demonstrated to it, greedily;
the first hundred that it loses are corrected by the expert's knowledge, at the keys of the screen.
From that checkpoint OREO then makes as many updates on the lost episodes alone, and on the lost and
the corrected ones; held-out games are played before and after. The last two rows are 300 updates
with a thousand rollouts of the default run beside (`--arms failed-own corrected-own`).
""",
        games=(),
        attempts=1300,
        arms={
            "failed": Arm(stores=("failed",), settings=_SETTINGS),
            "corrected": Arm(stores=("failed", "corrected"), settings=_SETTINGS),
            "failed-own": Arm(stores=("failed", "own"), settings=_ANCHORED),
            "corrected-own": Arm(stores=("failed", "own", "corrected"), settings=_ANCHORED),
        },
        rows=(
            ("failed", "corrected", "100 lost"),
            ("failed-own", "corrected-own", "100 lost, 1,000 own rollouts"),
        ),
    ),
    "wording": Lesson(
        table="corrections-wording",
        about="""## Learning from corrections at the screen: goals in people's words

`python -m experiments.corrections wording --base RUN --out runs/loop-words --seed S`:
the same checkpoint, which knows goals in ALFWorld's words alone, is given them in people's
(`games.goals=varied`) and loses nearly always. The first hundred lost games are corrected at the
keys of the screen. Rejection sampling imitates the person's turns, and OREO goes on from there with
the lost and the corrected episodes, 100 updates each; the row without corrections is 200 updates of
OREO. Held-out games have goals in people's words.
""",
        games=("games.goals=varied",),
        attempts=1200,
        arms={
            "failed": Arm(
                stores=("failed",),
                settings=("oreo.steps=200", "oreo.value_warmup=60", *_IMITATED),
                methods=("rejection", "oreo"),
            ),
            "corrected": Arm(
                stores=("failed", "corrected"),
                settings=("oreo.steps=100", "oreo.value_warmup=30", *_IMITATED),
                methods=("rejection", "oreo"),
            ),
        },
        rows=(("failed", "corrected", "100 lost"),),
    ),
}
_COLUMNS = ("trained on", "success", "each seed", "minus before", "minus uncorrected")
_FEW = ("-s", "games.train=1", "-s", "games.validation=0", "-s", "workers=1")
"""Nothing is played on training games: there is no need to build 3,000."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("lesson", choices=LESSONS)
    parser.add_argument("--base", type=Path, required=True, help="a finished run of train alfworld")
    parser.add_argument("--out", type=Path, required=True, help="where everything goes")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--failures", type=int, default=FAILURES)
    parser.add_argument("--tune", action="store_true", help="on other houses")
    parser.add_argument("-s", action="append", default=[], dest="sets", help="setting of the arms")
    parser.add_argument("--arms", nargs="*", default=["failed", "corrected"])
    options = parser.parse_args()
    known = LESSONS[options.lesson].arms
    if unknown := set(options.arms).difference(known):
        named = ", ".join(sorted(unknown))
        parser.error(f"{options.lesson} has no arm {named}. Known: {', '.join(known)}.")
    _go_round(options)
    return 0


def _go_round(options: argparse.Namespace) -> None:
    lesson = LESSONS[options.lesson]
    base: Path = options.base
    place: Path = options.out / str(options.seed)
    checkpoint = base / "checkpoints" / "oreo"
    collected = _collect(lesson, checkpoint, place / "collected", options.seed)
    failed, corrected = place / "failed", place / "corrected"
    _choose(base, collected, failed, options.failures)
    _correct(checkpoint, failed, corrected, place)
    _anchor(base, place / "own")
    facts = _facts(failed, corrected, place)
    runs = _runs(lesson, checkpoint, place, options, facts)
    table = f"{lesson.table}-tune" if options.tune else lesson.table
    execute(table, runs, options.out / "trained")


def _collect(lesson: Lesson, checkpoint: Path, out: Path, seed: int) -> Path:
    """Let the checkpoint play training games greedily, as it is measured."""
    if not (out / "finished").exists():
        command = [sys.executable, "-m", "oreo_agent", "collect", "alfworld", "--temperature", "0"]
        command += ["--checkpoint", str(checkpoint), "--count", str(lesson.attempts)]
        command += ["--seed", str(seed), "-s", f"games.horizon={HORIZON}"]
        command += ["--threads", "1", "-s", "workers=1", *_each("-s", lesson.games)]
        subprocess.run([*command, "--out", str(out), "--quiet"], check=True)
        (out / "finished").touch()
    return out / "episodes"


def _choose(base: Path, collected: Path, failed: Path, count: int) -> None:
    """Keep the first failures in games that the base run has not demonstrated."""
    if failed.exists():
        return
    games = json.loads((base / "stages" / "games.json").read_bytes())["train"]
    config = json.loads((base / "config.json").read_bytes())["config"]
    shown = set(games[: config["demonstrations"]["games"]])
    lost = (e for e in read_episodes([collected]) if e.outcome in _LOST and e.task not in shown)
    kept = list(itertools.islice(lost, count))
    if len(kept) < count:
        raise RunFailedError(f"{len(kept)} failures, {count} are wanted.", "Raise its attempts.")
    write_episodes(failed, kept)


_LOST = (Outcome.HORIZON, Outcome.STALLED, Outcome.INVALID)


def _correct(checkpoint: Path, failed: Path, corrected: Path, place: Path) -> None:
    """Have the expert correct them at the screen; what became of each is noted."""
    log = place / "corrections.jsonl"
    services = ServiceOptions(checkpoint=checkpoint, threads=1).services(
        corrected, place / "journals"
    )
    noted = {found.episode for found in _noted(log)}
    if noted >= {episode.id for episode in EpisodeStore(failed)}:
        return

    def tell(found: Correction) -> None:
        with log.open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        print(found, file=sys.stderr, flush=True)

    asyncio.run(correct_all(failed, services, tell=tell))


def _noted(log: Path) -> list[Correction]:
    if not log.exists():
        return []
    return [Correction(**json.loads(line)) for line in log.read_text().splitlines()]


def _anchor(base: Path, own: Path) -> None:
    """Keep some of the base run's own rollouts."""
    if own.exists():
        return
    write_episodes(own, itertools.islice(read_episodes([base / "episodes" / "rollouts"]), ANCHOR))


def _facts(failed: Path, corrected: Path, place: Path) -> dict[str, int]:
    """Count what was corrected, and how."""
    notes = {found.episode: found for found in _noted(place / "corrections.jsonl")}.values()
    by = Counter(t.executed.actor for e in EpisodeStore(corrected) for t in e.turns)
    return {
        "failed": len(EpisodeStore(failed)),
        "corrected": len(EpisodeStore(corrected)),
        "at_the_drop": sum(found.won and found.fork == found.drop for found in notes),
        "not_won": sum(not found.won for found in notes),
        "human_turns": by[Actor.HUMAN],
        "policy_turns": by[Actor.POLICY],
    }


def _runs(
    lesson: Lesson,
    checkpoint: Path,
    place: Path,
    options: argparse.Namespace,
    facts: dict[str, int],
) -> list[Run]:
    more = (*lesson.games, *options.sets, *(["games.seed=1"] if options.tune else []))
    label = "_".join(("", *options.sets))
    return [
        Run(
            name=f"{arm}-{options.seed}{label}",
            arguments=(
                *("train", "alfworld", "--seed", str(options.seed)),
                *("--checkpoint", str(checkpoint)),
                *_each("--episodes", (str(place / name) for name in lesson.arms[arm].stores)),
                *_each("--method", lesson.arms[arm].methods),
                *(*_FEW, *_each("-s", (*lesson.arms[arm].settings, *more))),
            ),
            facts={"arm": arm, "seed": options.seed, **facts},
        )
        for arm in options.arms
    ]


def _each(option: str, values: Iterable[str]) -> Iterator[str]:
    return itertools.chain.from_iterable((option, value) for value in values)


def draw() -> Iterator[str]:
    """Yield the lines of its sections of docs/results.md."""
    for lesson in LESSONS.values():
        if rows := list(_rows(lesson)):
            yield lesson.about
            yield markdown(_COLUMNS, rows)


def _rows(lesson: Lesson) -> Iterator[tuple[str, ...]]:
    """Yield a table's rows; those that no seed has are left out."""
    started = False
    for without_arm, with_arm, both in lesson.rows:
        lost, mended = (
            [run for seed in SEEDS if (run := found(lesson.table, f"{arm}-{seed}"))]
            for arm in (without_arm, with_arm)
        )
        if not lost or len(lost) != len(mended):
            continue
        before = [won(lesson.table, run, "sft") for run in lost]
        without, with_ = ([won(lesson.table, run, "oreo") for run in arm] for arm in (lost, mended))
        if not started:
            started = True
            yield "nothing (before)", rate(before), each_seed(before), "", ""
        named = {both: without}
        if all("rejection" in run.won for run in mended):
            imitated = [won(lesson.table, run, "rejection") for run in mended]
            named["100 corrected, imitated alone"] = imitated
        named[f"{both}, 100 corrected"] = with_
        for name, ours in named.items():
            gained = "" if ours is without else difference(ours, without)
            yield name, rate(ours), each_seed(ours), difference(ours, before), gained


if __name__ == "__main__":
    sys.exit(main())
