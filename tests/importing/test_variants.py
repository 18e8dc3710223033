"""However a program writes a game down, the same four turns are imported."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from oreo_agent.episodes import Episode, EpisodeStore, Outcome
from oreo_agent.importing import ImportOptions, ImportReport, import_logs
from tests.importing.log_variants import (
    CALLS,
    DECORATIONS,
    HARNESSES,
    OPENINGS,
    SPEAKERS,
    VARIANTS,
    Game,
    Log,
    Variant,
    play,
)


@pytest.fixture(scope="module")
def game(house_folder: Path) -> Game:
    """A game of four turns."""
    return play(house_folder)


def bring(
    folder: Path, games: Path, format: str, logs: list[Log]
) -> tuple[ImportReport, list[Episode]]:
    """Import logs; return the report and the episodes."""
    file, out = folder / f"{format}.jsonl", folder / format
    file.write_text("".join(json.dumps(log) + "\n" for log in logs), "utf-8")
    options = ImportOptions(format=format, games=str(games))
    (report,) = import_logs([file], out, options)
    return report, list(EpisodeStore(out).read())


def check(variants: list[Variant], game: Game, games: Path) -> None:
    """Import a game in many forms and look for the same four turns in each."""
    for format in ("openai", "sharegpt"):
        some = [variant for variant in variants if variant.format == format]
        if not some:
            continue
        with TemporaryDirectory() as folder:
            logs = [variant.write(game) for variant in some]
            report, episodes = bring(Path(folder), games, format, logs)
        for variant, told, episode in zip(some, report.episodes, episodes, strict=True):
            assert (told.compared, told.agree, told.task) == (4, 4, game.task), (variant, told)
            assert told.opening_agrees, variant
            assert episode.outcome is Outcome.SUCCESS, variant
            actions = [turn.executed.action for turn in episode.turns]
            assert actions == [step.action for step in game.steps], variant
            seen = [*(turn.observation for turn in episode.turns[1:]), episode.final_observation]
            assert seen == [step.answer for step in game.steps], variant
            messages = [turn.executed.message for turn in episode.turns]
            for message, action in zip(messages, actions, strict=True):
                assert action in message, (variant, message)
                assert "\nObservation" not in message, variant


EACH = [
    *(Variant(opening=name) for name in OPENINGS),
    *(Variant(harness=name) for name in HARNESSES),
    *(Variant(harness=name, repeats_goal=True) for name in HARNESSES),
    *(Variant(harness=name, opening="goal first") for name in HARNESSES),
    *(Variant(opening=name, repeats_room=True) for name in OPENINGS),
    *(Variant(harness=name, repeats_room=True) for name in HARNESSES),
    *(Variant(decoration=name) for name in DECORATIONS),
    *(Variant(call=name) for name in CALLS),
    *(Variant(speakers=speakers, keys=("from", "value")) for speakers in SPEAKERS),
    *(Variant(speakers=speakers, example=True) for speakers in SPEAKERS),
]


def test_each_way_to_write_a_game_down_brings_its_four_turns(
    game: Game, house_folder: Path
) -> None:
    check(EACH, game, house_folder)


@settings(max_examples=3, phases=[Phase.generate])  # the first one is the simplest
@given(variants=st.lists(VARIANTS, min_size=100, max_size=100))
def test_two_hundred_mixtures_of_them_bring_the_same_four_turns(
    game: Game, house_folder: Path, variants: list[Variant]
) -> None:
    check(variants, game, house_folder)
