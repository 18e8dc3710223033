"""What an import brought, and how far the engine agrees with it."""

from __future__ import annotations

from collections import Counter

import msgspec

from oreo_agent.episodes.formats import LoggedEpisode
from oreo_agent.episodes.record import Episode
from oreo_agent.importing.batch_replay import Replay
from oreo_agent.importing.conversion import Tied
from oreo_agent.importing.transcript_diff import Difference, same_opening

SAME = "same"
"""Name of the turns that agree byte for byte."""


class FirstDisagreement(msgspec.Struct, frozen=True, kw_only=True):
    """Where engine and log part."""

    turn: int
    """From 1."""
    action: str
    kind: str
    logged: str | None
    played: str | None


class EpisodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One imported episode."""

    id: str
    where: str
    """File and line of the log."""
    task: str | None
    found_by: str | None
    """``name``, ``content`` or None."""
    rivals: int
    """Other games that fit as well."""
    translated: bool
    outcome: str
    opening_agrees: bool | None
    """None where there was no replay."""
    compared: int
    """Turns in which log and engine both say something."""
    agree: int
    kinds: dict[str, int]
    """Turns by the differences seen past, e.g. ``{"same": 3, "space + prefix": 2}``."""
    outcome_contradicted: bool
    """The log tells of another end than a replay that agrees with all of its turns."""
    outcome_unconfirmed: bool = False
    """The log says that the game was won, and the replay does not confirm it."""
    unweighted: int
    """Turns that the log marks as not to be imitated; they are kept."""
    thoughts: int = 0
    """Thoughts logged as turns of their own, joined to the message of the next action."""
    left_out: int = 0
    """Messages of the agent before the game, and parts of messages that are no text."""
    first_disagreement: FirstDisagreement | None = None
    fault: str | None = None

    @property
    def doubtful(self) -> bool:
        """Whether log and engine agree in fewer than half of the turns that can be compared."""
        return 2 * self.agree < self.compared


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read."""

    why: str
    """With file and line."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """One imported file, as written beside its shard."""

    schema: int = 1
    file: str
    sha256: str
    format: str
    shard: str
    episodes: tuple[EpisodeReport, ...]
    left_out: tuple[LeftOut, ...] = ()

    def totals(self) -> dict[str, object]:
        """Return the sums over all episodes."""
        every = self.episodes
        kinds: Counter[str] = Counter()
        for episode in every:
            kinds.update(episode.kinds)
        compared, agree = sum(e.compared for e in every), sum(e.agree for e in every)
        return {
            "episodes": len(every),
            "outcomes": dict(Counter(e.outcome for e in every).most_common()),
            "games": {
                "by_name": sum(e.found_by == "name" for e in every),
                "by_content": sum(e.found_by == "content" for e in every),
                "one_of_several": sum(e.rivals > 0 for e in every),
                "not_found": sum(e.task is None for e in every),
            },
            "translated": sum(e.translated for e in every),
            "openings_agree": sum(bool(e.opening_agrees) for e in every),
            "turns_compared": compared,
            "turns_agree": agree,
            "agreement": round(agree / compared, 6) if compared else None,
            "turns_by_difference": dict(kinds.most_common()),
            "outcomes_contradicted": sum(e.outcome_contradicted for e in every),
            "outcomes_unconfirmed": sum(e.outcome_unconfirmed for e in every),
            "mostly_disagreeing": sum(e.doubtful for e in every),
            "faults": sum(e.fault is not None for e in every),
            "unweighted_turns": sum(e.unweighted for e in every),
            "thoughts_joined": sum(e.thoughts for e in every),
            "messages_left_out": sum(e.left_out for e in every),
            "records_left_out": len(self.left_out),
        }


def episode_report(tied: Tied, replay: Replay | None, episode: Episode) -> EpisodeReport:
    """Return the entry of one episode."""
    logged = tied.logged
    replay = replay or Replay()
    compared = replay.compared
    kinds = Counter(" + ".join(turn.found) or SAME for turn in replay.turns)
    decided = replay.whole and bool(replay.turns)
    return EpisodeReport(
        id=episode.id,
        where=logged.where,
        task=tied.task,
        found_by=None if tied.task is None else "name" if tied.named else "content",
        rivals=tied.rivals,
        translated=tied.is_translated,
        outcome=episode.outcome.value,
        opening_agrees=same_opening(logged.opening, replay.opening) if replay.opening else None,
        compared=len(compared),
        agree=sum(turn.agrees for turn in compared),
        kinds=dict(kinds.most_common()),
        outcome_contradicted=decided and logged.won not in (None, replay.won),
        outcome_unconfirmed=bool(logged.won) and not replay.won and not decided,
        unweighted=logged.unweighted,
        thoughts=logged.thoughts,
        left_out=logged.left_out,
        first_disagreement=_first(logged, replay),
        fault=replay.fault,
    )


def describe(format: str, tied: Tied, replay: Replay | None) -> str:
    """Return the note of a record: where it comes from and how far the engine agrees."""
    parts = [f"imported from {tied.logged.where} ({format})"]
    if tied.is_translated:
        parts.append(f"translated from {tied.spoken}")
    if tied.task is None:
        parts.append("game not found")
    else:
        by = "name" if tied.named else "content"
        rivals = f", {tied.rivals} others fit as well" if tied.rivals else ""
        parts.append(f"game found by {by}{rivals}")
    if replay is not None:
        compared = replay.compared
        parts.append(f"replay agrees in {sum(t.agrees for t in compared)} of {len(compared)} turns")
    return "; ".join(parts)


def _first(logged: LoggedEpisode, replay: Replay) -> FirstDisagreement | None:
    for number, (turn, played) in enumerate(zip(logged.turns, replay.turns, strict=False), 1):
        if not played.agrees and Difference.UNLOGGED not in played.found:
            return FirstDisagreement(
                turn=number,
                action=played.action or turn.message[:200],
                kind=" + ".join(played.found),
                logged=turn.answer,
                played=played.answer,
            )
    return None
