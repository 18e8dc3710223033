"""Our engine's transcripts against stock TextWorld's, byte for byte, over every official game.

    python benchmarks/identity.py --data ~/.cache/alfworld --out identity --workers 2
    python benchmarks/identity.py --data ~/.cache/alfworld --out identity --part 3/8
    python benchmarks/identity.py --data ~/.cache/alfworld --check 6

Each game is played by its walkthrough, which must win it, and then by 30 seeded random actions,
wrong ones among them. Compared at every turn: feedback, admissible commands in order, won flag;
at the start and at the end all facts. The rival is stock TextWorld with its pure parse functions
and PDDL translations remembered (``rival.py``); ``--plain`` takes it as it is, and ``--check N``
plays N games with both to show that they say the same.

Results lie in ``--out``, one JSON line a game; games that are there already are not played again.
The last line of stdout is one JSON object; the exit code is 1 where anything differs or a game was
not played.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rival import Rival, Said, remember  # type: ignore[import-not-found]  # beside this script

from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.games import FolderSource, official_source

_WRONG = ("xyzzy", "", "go to nowhere 1", "LOOK", "take the thing", "move mug to shelf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    task: str
    turns: int
    walkthrough_wins: bool
    difference: str
    """Empty where both engines say the same."""
    sha256: str
    """Of the rival's transcript."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--data", help="data root of the official games, or a folder of games")
    parser.add_argument("--split", action="append", help="by default train and valid_seen")
    parser.add_argument("--actions", type=int, default=30, help="random actions in each game")
    parser.add_argument("--out", type=Path, default=Path("identity"), help="folder of results")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th game, from the i-th")
    parser.add_argument("--workers", type=int, help="processes, each with a part of its own")
    parser.add_argument("--limit", type=int, help="at most so many games, spread over all")
    parser.add_argument("--plain", action="store_true", help="stock TextWorld as it is")
    parser.add_argument("--check", type=int, metavar="N", help="compare the two rivals on N games")
    parser.add_argument("--summary", action="store_true", help="only say what lies in --out")
    options = parser.parse_args()
    games = list(_games(options.data, options.split or ["valid_seen", "train"]))
    if options.limit or options.check:
        games = _spread(games, options.limit or options.check)
    if options.check:
        return _check(games, options.actions)
    if options.workers:
        _run_workers(options)
    elif not options.summary:
        number, parts = map(int, options.part.split("/"))
        if not 1 <= number <= parts:
            parser.error(f"--part {options.part}: i lies between 1 and n")
        file = options.out / f"part-{number}-of-{parts}.jsonl"
        _play_part(games[number - 1 :: parts], file, options.actions, options.plain)
    whole = options.part == "1/1" and not options.summary
    return _summarise(options.out, {task for task, _ in games}, whole=whole)


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


def _play_part(games: Sequence[tuple[str, Path]], file: Path, actions: int, plain: bool) -> None:
    if not plain:
        remember()
    rival, engine = Rival(), PddlEngine()
    file.parent.mkdir(parents=True, exist_ok=True)
    done = {result.task for result in _results(file.parent)}
    started = time.monotonic()
    with file.open("a", encoding="utf-8") as out:
        out.write("\n")  # ends a line that a killed run has left torn
        for count, (task, path) in enumerate(games, 1):
            if task not in done:
                result = compare(rival, engine, task, path, actions)
                out.write(json.dumps(asdict(result)) + "\n")
                out.flush()
                if result.difference or not result.walkthrough_wins:
                    print(f"{task}: {result.difference or 'not won'}", file=sys.stderr)
            if count % 50 == 0 or count == len(games):
                seconds = time.monotonic() - started
                print(f"{file.name}: {count}/{len(games)} {seconds:.0f} s", file=sys.stderr)


def compare(rival: Rival, engine: PddlEngine, task: str, path: Path, actions: int) -> Result:
    """Play a game in both engines; the actions are drawn from what the rival lists."""
    game: dict[str, Any] = json.loads(path.read_bytes())
    digest = hashlib.sha256()
    difference, wins = "", False
    rival.load(game)
    turn, chosen = 0, "reset"
    commands = _commands(task, game["walkthrough"], actions)
    next(commands)
    while True:
        theirs = rival.reset() if turn == 0 else rival.step(chosen)
        said = engine.reset(path) if turn == 0 else engine.step(chosen)
        ours = Said(said.feedback, said.admissible, said.won)
        digest.update(json.dumps([chosen, *theirs]).encode())
        if ours != theirs and not difference:
            difference = f"turn {turn}, {chosen!r}: {_first_difference(ours, theirs)}"
        if turn == len(game["walkthrough"]):
            wins = theirs.won and ours.won
        last = turn == len(game["walkthrough"]) + actions
        if turn == 0 or last:
            apart = set(engine.facts()) ^ rival.facts()
            if apart and not difference:
                difference = f"turn {turn}: facts: {sorted(apart)[:3]}"
        if last:
            break
        turn, chosen = turn + 1, commands.send(theirs.admissible)
    return Result(
        task=task,
        turns=turn,
        walkthrough_wins=wins,
        difference=difference,
        sha256=digest.hexdigest(),
    )


def _commands(
    task: str, walkthrough: Sequence[str], actions: int
) -> Generator[str, tuple[str, ...], None]:
    """Yield an empty text, then the commands of a game; to be sent what is admissible."""
    rng = random.Random(task)
    admissible: tuple[str, ...] = yield ""
    first = admissible
    for command in walkthrough:
        admissible = yield command
    for _ in range(actions):
        kind = rng.random()
        if kind < 0.15:
            command = rng.choice([*_WRONG, rng.choice(first), f" {rng.choice(admissible)} "])
        elif kind < 0.6:  # a verb first: most commands are "go to"
            verb = rng.choice(sorted({command.split(" ")[0] for command in admissible}))
            command = rng.choice([text for text in admissible if text.split(" ")[0] == verb])
        else:
            command = rng.choice(admissible)
        admissible = yield command


def _first_difference(ours: Said, theirs: Said) -> str:
    for name in Said._fields:
        one, other = getattr(ours, name), getattr(theirs, name)
        if one != other:
            return f"{name}: ours {str(one)[:200]!r}, stock {str(other)[:200]!r}"
    return ""


def _check(games: Sequence[tuple[str, Path]], actions: int) -> int:
    """Play the same games with the plain rival, then with the one that remembers."""
    engine = PddlEngine()
    plain, quick = Rival(), Rival()
    before = [compare(plain, engine, task, path, actions) for task, path in games]
    remember()
    after = [compare(quick, engine, task, path, actions) for task, path in games]
    same = sum(one.sha256 == other.sha256 for one, other in zip(before, after, strict=True))
    for result in before:
        if result.difference:
            print(f"{result.task}: {result.difference}", file=sys.stderr)
    ours = sum(not result.difference for result in before)
    print(f"{same} of {len(games)} transcripts of the two rivals are the same")
    print(json.dumps({"games": len(games), "rivals_identical": same, "ours_identical": ours}))
    return 0 if same == ours == len(games) else 1


def _run_workers(options: argparse.Namespace) -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("--workers=")]
    if "--workers" in arguments:
        position = arguments.index("--workers")
        del arguments[position : position + 2]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments, "--part", f"{number}/{options.workers}"],
            stdout=subprocess.DEVNULL,
        )
        for number in range(1, options.workers + 1)
    ]
    for process in processes:
        process.wait()


def _summarise(folder: Path, tasks: set[str], *, whole: bool) -> int:
    results = {result.task: result for result in _results(folder) if result.task in tasks}
    differing = sorted(task for task, result in results.items() if result.difference)
    lost = sorted(task for task, result in results.items() if not result.walkthrough_wins)
    for task in differing:
        print(f"differs: {task}: {results[task].difference}")
    for task in lost:
        print(f"not won by its walkthrough: {task}")
    everything = "".join(f"{task} {results[task].sha256}\n" for task in sorted(results))
    document = {
        "games": len(tasks),
        "played": len(results),
        "turns": sum(result.turns for result in results.values()),
        "identical": len(results) - len(differing),
        "won_by_walkthrough": len(results) - len(lost),
        "sha256": hashlib.sha256(everything.encode()).hexdigest(),
    }
    print(json.dumps(document))
    unplayed = whole and len(results) < len(tasks)  # a worker process has died
    return 1 if differing or lost or unplayed else 0


def _results(folder: Path) -> Iterator[Result]:
    for file in sorted(folder.glob("part-*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                yield Result(**json.loads(line))
            except ValueError:
                continue  # an empty line, or the torn last one of a run that was killed


def _games(data: str | None, splits: Iterable[str]) -> Iterator[tuple[str, Path]]:
    folder = Path(data).expanduser() if data else None
    if folder is not None and not (folder / "json_2.1.1").is_dir():
        source = FolderSource(folder)
    else:
        source = official_source(folder)
    for split in splits:
        for task in source.games(split):
            yield task, source.path(task)


def _spread(games: list[tuple[str, Path]], count: int) -> list[tuple[str, Path]]:
    count = min(count, len(games))
    return [games[index * len(games) // count] for index in range(count)]


if __name__ == "__main__":
    sys.exit(main())
