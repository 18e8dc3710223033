"""``oreo-agent screenshot``: a picture of a screen, without a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.common.checkpoints import check_environment, expert_without_model
from oreo_agent.cli.common.compared import what_to_compare
from oreo_agent.cli.common.game_session import GameOptions
from oreo_agent.cli.common.options import (
    AgentOption,
    CheckpointOption,
    DataOption,
    DialectOption,
    GamesOption,
    QuietFlag,
    SeedOption,
    SplitOption,
    TaskOption,
    TemperatureOption,
    ThreadsOption,
    evaluation_split,
    examples,
)
from oreo_agent.cli.common.output import Output, plain
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.tui.app import OreoApp
    from oreo_agent.tui.screenshot import Shot

_SMALLEST, _LARGEST = 20, 400  # cells: less shows nothing, more is a slip of the pen


app = typer.Typer()


@app.command(
    rich_help_panel="Inspect",
    epilog=examples(
        "oreo-agent screenshot live.svg play alfworld --seed 4 --steps 6",
        "oreo-agent screenshot list.svg replay runs/demo/episodes --size 80x24",
        "oreo-agent screenshot drop.svg replay runs/demo/episodes#4f2a --turn 12",
        "oreo-agent screenshot fork.svg compare runs/play --theme oreo-light",
    ),
)
def screenshot(
    out: Annotated[Path, typer.Argument(metavar="OUT.svg", help="The picture to write.")],
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT…", help="play ENV; replay PATH… or PATH#ID; compare A [B]; watch RUN."
        ),
    ],
    size: Annotated[
        str, typer.Option("--size", metavar="CxL", help="Columns and lines.")
    ] = "120x36",
    theme: Annotated[str, typer.Option("--theme", metavar="NAME")] = "oreo-dark",
    steps: Annotated[
        int, typer.Option("--steps", min=0, help="Turns that the agent plays before.")
    ] = 0,
    turn: Annotated[
        int | None,
        typer.Option(
            "--turn",
            min=0,
            help="Turn of a record to stand at; by default its largest drop of value, or the fork.",
        ),
    ] = None,
    press: Annotated[
        str,
        typer.Option(
            "--press", metavar="KEYS", help="Keys to press then, and words to type: t,look,enter"
        ),
    ] = "",
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    task: TaskOption = None,
    split: SplitOption = None,
    seed: SeedOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    temperature: TemperatureOption = 0.0,
    threads: ThreadsOption = None,
    quiet: QuietFlag = False,
) -> None:
    """Draw a screen into an SVG file: the same command draws the same picture."""
    if out.suffix != ".svg":
        raise UsageError(f"{out}: a picture is an .svg file.", f"Name it {out.stem or 'out'}.svg.")
    cells = _cells(size)
    output = Output(quiet=quiet)
    options = GameOptions(
        task=task,
        split=split,
        seed=seed,
        games=games,
        data=data,
        dialect=dialect,
        temperature=temperature,
        threads=threads,
    )
    os.environ.pop("NO_COLOR", None)  # of the terminal, which does not draw this
    from oreo_agent.files import write_whole
    from oreo_agent.tui.screenshot import Shot, read_keys, take_picture
    from oreo_agent.tui.terminal import guarded_terminal
    from oreo_agent.tui.themes import check_theme

    check_theme(theme, "--theme")
    shot = Shot(size=cells, steps=steps, turn=turn, keys=read_keys(press))
    app, shot = _stage(what, options, AgentSpec.parse(agent), checkpoint, theme, shot)
    output.note("drawing …")
    with guarded_terminal(Path(os.devnull)):
        picture = take_picture(app, shot)
    write_whole(out, picture.encode())
    output.result(
        {"written": str(out)},
        lambda console: console.print(plain(out), soft_wrap=True, markup=False),
    )


def _stage(
    what: Sequence[str],
    options: GameOptions,
    agent: AgentSpec,
    checkpoint: Path | None,
    theme: str,
    shot: Shot,
) -> tuple[OreoApp, Shot]:
    """Return the application that shows what is named, and what is to be seen of it."""
    from oreo_agent.cli.common.episode_ref import find_episode, split_ref
    from oreo_agent.cli.common.screen_services import ServiceOptions
    from oreo_agent.episodes.catalog import check_catalog, read_catalog
    from oreo_agent.monitoring.run_monitor import check_run
    from oreo_agent.tui.app import OreoApp
    from oreo_agent.tui.screens.base import FullScreen
    from oreo_agent.tui.screens.compare import CompareScreen
    from oreo_agent.tui.screens.live import LiveScreen
    from oreo_agent.tui.screens.train import TrainScreen
    from oreo_agent.tui.services import Appearance

    services = ServiceOptions(
        checkpoint=checkpoint, games=options.games, data=options.data, threads=options.threads
    ).services()
    # The picture does not depend on the user's settings of the screen.
    services = replace(services, appearance=Appearance(theme=theme))
    screen: FullScreen
    match what:
        case ["play", env]:
            check_environment(env)
            game = replace(options, env=env, split=evaluation_split(env, options.split))
            expert = expert_without_model(env, agent, checkpoint, game.env_options())
            screen = LiveScreen(game.session_factory(expert or agent, checkpoint), services)
        case ["compare", first, *rest] if len(rest) < 2:
            compared = what_to_compare(first, rest[0] if rest else None, options).sides
            screen = CompareScreen(compared, services)
        case ["watch", run]:
            check_run(Path(run))
            screen = TrainScreen(Path(run), services)
        case ["replay", *addresses] if addresses:
            paths = [split_ref(address)[0] for address in addresses]
            check_catalog(paths)
            where = ", ".join(map(str, paths))
            if len(addresses) == 1 and split_ref(addresses[0])[1] is not None:
                shot = replace(shot, opened=find_episode(addresses[0]).id)
            return OreoApp(services, read_entries=lambda: read_catalog(paths), where=where), shot
        case _:
            raise UsageError(
                f"{' '.join(what)}: nothing that can be drawn.",
                "Name one of: play ENV, replay PATH, replay PATH#ID, compare A B, watch RUN.",
            )
    return OreoApp(services, screen, read_entries=tuple, where=""), shot


def _cells(size: str) -> tuple[int, int]:
    """Read columns and lines; refuse what is too small or too large."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", size)
    cells = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(_SMALLEST <= count <= _LARGEST for count in cells):
        raise UsageError(
            f"--size {size} is no size from {_SMALLEST}x{_SMALLEST} to {_LARGEST}x{_LARGEST}.",
            "Write columns and lines: 120x36.",
        )
    return cells
