"""Which episodes a stage learns from, and what identifies the files they were read from."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from oreo_agent.episodes.record import Actor, Episode, Outcome
from oreo_agent.errors import RunFailedError
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.progress_callback import ProgressCallback


def with_return(episodes: Sequence[Episode], display: ProgressCallback) -> list[Episode]:
    """Return the episodes that have a return; say how many do not."""
    scored = [episode for episode in episodes if episode.outcome.is_scored and episode.turns]
    if len(scored) < len(episodes):
        without = len(episodes) - len(scored)
        display.note(f"{without} episodes without a return (unfinished, error) left out")
    need(scored, "no episode with a known return", "Record episodes that end.")
    return scored


def apart_from(
    episodes: Sequence[Episode], held_out: Collection[str], display: ProgressCallback
) -> list[Episode]:
    """Return the episodes of games that are not held out for evaluation; say how many were."""
    kept = [episode for episode in episodes if episode.task not in held_out]
    if len(kept) < len(episodes):
        display.note(f"{len(episodes) - len(kept)} episodes of held-out games left out")
    need(
        kept,
        "every episode is of a game that is held out for evaluation",
        "Add episodes of training games: play and collect have them with --split train.",
    )
    return kept


def successes(episodes: Sequence[Episode]) -> list[Episode]:
    """Return the successful episodes."""
    return [episode for episode in episodes if episode.outcome is Outcome.SUCCESS]


def stalled(episodes: Sequence[Episode]) -> list[Episode]:
    """Return the episodes that were given up in a loop."""
    return [episode for episode in episodes if episode.outcome is Outcome.STALLED]


def by_chance(episodes: Sequence[Episode]) -> bool:
    """Return whether every action of the episodes was random."""
    return all(turn.executed.actor is Actor.RANDOM for e in episodes for turn in e.turns)


def hold_out(episodes: list[Episode], count: int) -> tuple[list[Episode], list[Episode]]:
    """Take about ``count`` episodes out, at most a tenth; return the others and these."""
    if not count:
        return episodes, []
    every = max(10, len(episodes) // count)
    kept = [episode for i, episode in enumerate(episodes) if i % every != every - 1]
    return kept, episodes[every - 1 :: every]


def fingerprint(path: Path) -> str:
    """Return a file's path and content hash, so that a resumed run is known to read the same."""
    with path.open("rb") as file:
        return f"{path} sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def fingerprints(folder: Path) -> list[str]:
    """Return the `fingerprint` of every file of a checkpoint's folder."""
    return [fingerprint(path) for path in sorted(folder.rglob("*")) if path.is_file()]


def texts(episodes: Sequence[Episode], prompts: PromptText) -> Iterator[str]:
    """Return every text that the tokenizer should know, as the renderer shows it."""
    for episode in episodes:
        for index, turn in enumerate(episode.turns):
            seen = turn.observation
            yield prompts.opening(episode.goal, seen) if index == 0 else prompts.observation(seen)
            yield turn.executed.message


def need(found: Sequence[object], what: str, fix: str) -> None:
    """Raise a RunFailedError where nothing was found."""
    if not found:
        raise RunFailedError(f"{what}.", fix)
