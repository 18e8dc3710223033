"""Importing files of logs into a store: all of them, or none."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgspec

from oreo_agent.envs.alfworld.adapter import AlfworldEnv
from oreo_agent.envs.alfworld.dialects import NATIVE, check_dialect
from oreo_agent.envs.alfworld.game_finder import GameFinder
from oreo_agent.envs.alfworld.games import FolderSource
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.formats import LogFormatError, LoggedEpisode, read_logged
from oreo_agent.episodes.record import Actor, Episode, encode_episode
from oreo_agent.episodes.store import EpisodeStore
from oreo_agent.errors import RunFailedError, UsageError
from oreo_agent.files import write_whole
from oreo_agent.importing.batch_replay import Replay, replay_all
from oreo_agent.importing.conversion import Tied, dialect_of_log, record, script
from oreo_agent.importing.report import ImportReport, LeftOut, describe, episode_report

__all__ = ["ImportOptions", "ImportReport", "import_logs"]

_SHORTEST_GOAL, _LONGEST_GOAL = 3, 60  # words

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much is done, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How logs are imported."""

    format: str
    """One of `oreo_agent.episodes.formats.FORMATS`."""
    games: str | None = "official"
    """Where the games lie: ``official``, or a folder; None imports without replay."""
    data: Path | None = None
    """Data root of ``official``, in place of ``ALFWORLD_DATA``."""
    dialect: str = NATIVE
    """Of the records: ``native`` (that of each game), ``put`` or ``move``."""
    actor: Actor = Actor.POLICY
    """Who chose the logged actions."""
    processes: int = 1
    """Worker processes that replay."""
    force: bool = False
    """Replace what was imported from the same file before."""
    skip_bad: bool = False
    """Leave out records that cannot be read, instead of refusing their file."""
    trust_outcomes: bool = False
    """Believe a log that says that a game was won where the replay does not confirm it."""


def import_logs(
    files: Sequence[Path], store: Path, options: ImportOptions, *, progress: Progress | None = None
) -> list[ImportReport]:
    """Import logs and return what each file brought.

    Every file is read whole before anything is replayed, and everything is replayed before anything
    is written: a file that is refused leaves nothing behind. Each file becomes one shard, named by
    its content, with a report beside it.

    Args:
        files: The logs.
        store: A folder of episodes; made if it is not there.
        options: How.
        progress: Follows the work.

    Raises:
        UsageError: A file was imported before, or an option has no meaning.
        MissingError: A file, or the games, are not there.
        LogFormatError: A file is not of the format; the message names the line.
        RunFailedError: The store cannot be written; what this import made in it is removed.
    """
    check_dialect(options.dialect)
    if store.exists() and not store.is_dir():
        raise UsageError(f"{store} is no folder.", "Name a folder with --out.")
    report = progress or (lambda stage, done, total: None)
    sources = [_Source.read(path, options) for path in files]
    _refuse_twins(sources, store, force=options.force)
    tied, replays = _replay([e for source in sources for e in source.episodes], options, report)
    versions = {name: metadata.version(name) for name in ("oreo-agent", "alfworld", "textworld")}
    reports: list[ImportReport] = []
    shards: list[bytes] = []
    place = 0
    for source in sources:
        episodes: list[Episode] = []
        told_of = []
        for index in range(len(source.episodes)):
            one, replay = tied[place], replays[place]
            place += 1
            episode = record(
                one,
                replay,
                id=source.episode_id(index, options),
                actor=options.actor,
                versions=versions,
                note=describe(options.format, one, replay),
                trusting=options.trust_outcomes,
            )
            episodes.append(episode)
            told_of.append(episode_report(one, replay, episode))
        shards.append(b"".join(map(encode_episode, episodes)))
        reports.append(
            ImportReport(
                file=str(source.path),
                sha256=source.sha256,
                format=options.format,
                shard=source.shard,
                episodes=tuple(told_of),
                left_out=tuple(LeftOut(why=why) for why in source.left_out),
            )
        )
    _write(store, reports, shards)
    return reports


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A file that was read whole."""

    path: Path
    sha256: str
    episodes: tuple[LoggedEpisode, ...]
    left_out: tuple[str, ...]
    """Why records were left out."""

    @classmethod
    def read(cls, path: Path, options: ImportOptions) -> _Source:
        """Read a file; see `read_logged`."""
        odd: list[LogFormatError] = []
        skip = odd.append if options.skip_bad else None
        episodes = tuple(read_logged(path, options.format, skip=skip))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        why = tuple(error.what for error in odd)
        return cls(path=path, sha256=digest, episodes=episodes, left_out=why)

    @property
    def shard(self) -> str:
        """Name of the file's shard: the same content, the same name."""
        return f"import-{self.sha256[:12]}.jsonl"

    def episode_id(self, index: int, options: ImportOptions) -> str:
        """Return an id that depends on content and place: a second import gives it again."""
        text = f"{self.sha256}/{options.format}/{options.dialect}/{index}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refuse_twins(sources: Sequence[_Source], store: Path, *, force: bool) -> None:
    seen: dict[str, Path] = {}
    for source in sources:
        if source.shard in seen:
            raise UsageError(
                f"{source.path} and {seen[source.shard]} hold the same.", "Name one of them."
            )
        seen[source.shard] = source.path
        shard = store / source.shard
        if shard.exists() and not force:
            raise UsageError(
                f"{source.path} was imported before: {shard}.",
                "Name another --out, or replace it with --force.",
            )


def _replay(
    episodes: Sequence[LoggedEpisode], options: ImportOptions, report: Progress
) -> tuple[list[Tied], list[Replay | None]]:
    """Tie episodes to games and play them again."""
    if options.games is None:
        spoken = [dialect_of_log(logged) for logged in episodes]
        target = None if options.dialect == NATIVE else options.dialect
        return [
            Tied(logged=logged, spoken=dialect, target=target or dialect)
            for logged, dialect in zip(episodes, spoken, strict=True)
        ], [None] * len(episodes)
    source = AlfworldEnv(games=options.games, data=options.data).source
    finder = GameFinder(source, progress=lambda done, total: report("games", done, total))
    tied = [_tie(logged, finder, source, options.dialect) for logged in episodes]
    found = [index for index, one in enumerate(tied) if one.task is not None]
    replays: list[Replay | None] = [None] * len(episodes)
    if not found:
        return tied, replays
    horizon = 1 + max(len(logged.turns) for logged in episodes)
    env: dict[str, object] = {
        "games": options.games,
        "horizon": horizon,
        "dialect": options.dialect,
        **({} if options.data is None else {"data": str(options.data)}),
    }
    with WorkerPool("alfworld", env, processes=options.processes) as pool:
        scripts = [script(tied[index]) for index in found]
        report("replay", 0, len(scripts))
        played = replay_all(
            pool,
            scripts,
            processes=options.processes,
            progress=lambda done: report("replay", done, len(scripts)),
        )
    for index, replay in zip(found, played, strict=True):
        replays[index] = replay
    return tied, replays


def _tie(logged: LoggedEpisode, finder: GameFinder, source: FolderSource, dialect: str) -> Tied:
    answers = [turn.answer or "" for turn in logged.turns]
    matches = (
        finder.find(goal, logged.opening.lower(), answers, name=logged.game)
        for goal in _goals(logged.goal)
    )
    match = next((match for match in matches if match is not None), None)
    spoken = dialect_of_log(logged)
    if match is None:
        target = spoken if dialect == NATIVE else dialect
        return Tied(logged=logged, spoken=spoken, target=target)
    facts = source.info(match.task)
    return Tied(
        logged=logged,
        spoken=spoken,
        target=facts["dialect"] if dialect == NATIVE else dialect,
        task=match.task,
        facts=facts,
        named=match.named,
        rivals=match.rivals,
    )


def _goals(goal: str) -> Iterator[str]:
    """Yield what the goal can be: all of it, and without words that a harness put behind it."""
    words = goal.split()[:_LONGEST_GOAL]
    yield goal
    for count in range(len(words) - 1, _SHORTEST_GOAL - 1, -1):
        yield " ".join(words[:count]).rstrip(" .,;:([-")


def _write(store: Path, reports: Sequence[ImportReport], shards: Sequence[bytes]) -> None:
    files: dict[Path, bytes] = {}
    for report, shard in zip(reports, shards, strict=True):
        path = store / report.shard
        files[path.with_suffix(".report.json")] = msgspec.json.encode(report)
        files[path] = shard
    made: list[Path] = []
    try:
        for path, data in files.items():
            if not path.exists():
                made.append(path)
            write_whole(path, data)
    except OSError as error:
        for new in made:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        raise RunFailedError(
            f"{error.filename or store} cannot be written: {error.strerror or error}.",
            "Make room or name another --out, then import again.",
        ) from error
    EpisodeStore(store).write_index()
