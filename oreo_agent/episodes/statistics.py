"""What files and stores of episodes hold."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oreo_agent.episodes.index import open_shard
from oreo_agent.episodes.record import Episode, EpisodeFormatError, decode_episode
from oreo_agent.episodes.store import empty_file, episode_files, torn_line

_UNKNOWN = "unknown"


@dataclass(slots=True, kw_only=True)
class Holdings:
    """Counts over episodes."""

    files: tuple[Path, ...]
    lengths: list[int] = field(default_factory=list)
    """Turns of each episode."""
    tasks: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    turns_by_actor: Counter[str] = field(default_factory=Counter)
    task_types: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    dialects: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    damaged: list[EpisodeFormatError] = field(default_factory=list)
    """One for each line that is no episode, with file and line; it is in no count."""

    def add(self, episode: Episode) -> None:
        """Count one more episode."""
        self.lengths.append(len(episode.turns))
        self.tasks.add(episode.task)
        self.ids.add(episode.id)
        self.outcomes[episode.outcome.value] += 1
        self.turns_by_actor.update(turn.executed.actor.value for turn in episode.turns)
        self.task_types[episode.task_type or _UNKNOWN] += 1
        self.splits[episode.split or _UNKNOWN] += 1
        self.dialects[episode.dialect or _UNKNOWN] += 1
        self.models[episode.model or _UNKNOWN] += 1

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """First quartile, median and third quartile of the turns an episode has.

        Raises:
            StatisticsError: There is no episode.
        """
        first, median, third = statistics.quantiles(
            self.lengths * 2 if len(self.lengths) == 1 else self.lengths, n=4, method="inclusive"
        )
        return first, median, third

    def document(self) -> dict[str, object]:
        """Return the counts as plain data, the most frequent first."""
        first, median, third = self.quartiles
        return {
            "files": [str(path) for path in self.files],
            "episodes": len(self.lengths),
            "repeated_ids": len(self.lengths) - len(self.ids),
            "tasks": len(self.tasks),
            "turns": {
                "total": sum(self.lengths),
                "min": min(self.lengths),
                "q1": first,
                "median": median,
                "q3": third,
                "max": max(self.lengths),
            },
            "outcomes": dict(self.outcomes.most_common()),
            "turns_by_actor": dict(self.turns_by_actor.most_common()),
            "task_types": dict(self.task_types.most_common()),
            "splits": dict(self.splits.most_common()),
            "dialects": dict(self.dialects.most_common()),
            "models": dict(self.models.most_common()),
            "damaged_lines": [str(error.what) for error in self.damaged],
        }


def survey(paths: Sequence[Path | str]) -> Holdings:
    """Count what lies in files and folders of episodes, and check every record strictly.

    Raises:
        MissingError: A path does not exist.
        EpisodeFormatError: There is no whole episode at all.
    """
    files = episode_files(paths)
    found = Holdings(files=files)
    for path in files:
        number = 0
        with open_shard(path) as file:
            for number, line in enumerate(file, 1):
                where = f"{path}:{number}"
                try:
                    episode = decode_episode(line, where=where)
                except EpisodeFormatError as error:
                    torn = not line.endswith(b"\n")
                    found.damaged.append(torn_line(where) if torn else error)
                else:
                    found.add(episode)
        if number == 0:
            found.damaged.append(empty_file(path))
    if not found.lengths:
        raise found.damaged[0]
    return found
