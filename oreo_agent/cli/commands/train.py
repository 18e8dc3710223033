"""``oreo-agent train``: a run of training; ``--watch`` shows it on the screen."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.cli.common.checkpoints import SHIPPED, require_shipped, source_of_games
from oreo_agent.cli.common.options import (
    ConfigOption,
    DataOption,
    DialectOption,
    EnvArgument,
    ForceFlag,
    GamesOption,
    JsonLinesFlag,
    PresetOption,
    QuietFlag,
    SeedOption,
    SetOption,
    StartOption,
    ThreadsOption,
    data_option,
    examples,
    model_option,
    output_option,
)
from oreo_agent.cli.common.output import Output, is_plain
from oreo_agent.cli.common.progress import interruptible, progress_display
from oreo_agent.cli.common.run_settings import resolve_run_settings
from oreo_agent.errors import UsageError

if TYPE_CHECKING:
    from oreo_agent.tui.services import ScreenServices

app = typer.Typer()


def _complete_method(incomplete: str) -> list[str]:
    from oreo_agent.learning.methods import METHODS

    return [name for name in METHODS if name.startswith(incomplete)]


def _check_methods(methods: list[str] | None) -> list[str] | None:
    # The methods are loaded only where some are named: --help would wait for their settings.
    known = _complete_method("") if methods else []
    for name in methods or ():
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(known)}.")
    return methods


@app.command(
    rich_help_panel="Learning",
    epilog=examples(
        "oreo-agent train alfworld --preset smoke --out runs/smoke",
        "oreo-agent train alfworld -s oreo.beta=0.05 --seed 1 --out runs/b5 --resume",
        "oreo-agent train alfworld -s games.receptacles=4-6 -s games.goals=varied",
        "oreo-agent train alfworld --method oreo --method kto --rounds 3 --out runs/rounds",
        "oreo-agent train math --preset smoke --out runs/math",
        "oreo-agent train tw-games --episodes logged -s env.games=games",
    ),
)
def train(
    env: EnvArgument,
    config: ConfigOption = None,
    sets: SetOption = None,
    out: Annotated[
        Path | None, output_option("--out", metavar="DIR", help="The run's folder.")
    ] = None,
    resume: Annotated[bool, output_option("--resume", help="Go on with the run in --out.")] = False,
    force: ForceFlag = False,
    dry_run: Annotated[bool, output_option("--dry-run", help="Print what would be done.")] = False,
    preset: PresetOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    episodes: Annotated[
        list[Path] | None,
        data_option(
            "--episodes",
            metavar="FILE",
            help="Train from these logged episodes alone; may be repeated.",
        ),
    ] = None,
    checkpoint: StartOption = None,
    method: Annotated[
        list[str] | None,
        model_option(
            "--method",
            metavar="METHOD",
            help="A method to train and measure, such as sft, dpo, kto or oreo; may be repeated."
            " Default: rejection and oreo.",
            callback=_check_methods,
            autocompletion=_complete_method,
        ),
    ] = None,
    model: Annotated[
        str | None,
        model_option(
            "--model",
            metavar="NAME",
            help="Start from a pre-trained model with a chat template: Hub id or folder.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        model_option(
            "--rounds", min=1, help="Times to collect with the current policy, learn and evaluate."
        ),
    ] = None,
    report_to: Annotated[
        list[str] | None,
        output_option(
            "--report-to",
            metavar="LOGGER",
            help="Log to tensorboard, trackio or wandb too; may be repeated.",
        ),
    ] = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    watch: Annotated[
        bool,
        output_option(
            "--watch",
            help="Show the run on the screen, as oreo-agent watch does; q leaves it running.",
        ),
    ] = False,
    quiet: QuietFlag = False,
    as_json: JsonLinesFlag = False,
) -> None:
    """Train an agent: games, demonstrations, SFT, rollouts, OREO, evaluation."""
    settings = resolve_run_settings(
        env,
        config=config,
        sets=sets,
        preset=preset,
        games=games,
        data=data,
        seed=seed,
        threads=threads,
        dialect=dialect,
        methods=method,
        rounds=rounds,
        report_to=report_to,
        model=model,
    )
    output = Output(as_json=as_json, quiet=quiet)
    if checkpoint == SHIPPED:
        checkpoint = require_shipped(env, source_of_games(settings.value))
    if not episodes and checkpoint is None:
        from oreo_agent.agents.expert import load_expert

        # An environment without an expert is refused before any work.
        load_expert(settings.value.plugin, settings.value.options())
    if out is None:
        out = Path("runs") / env
    if dry_run:
        from oreo_agent.training.stage_plan import plan

        output.result(plan(settings.value, logged=bool(episodes), start=checkpoint is not None))
        return
    if watch and as_json:
        raise UsageError("--watch shows a screen, --json prints lines.", "Give one of them.")
    if watch and not is_plain(False):
        from oreo_agent.cli.common.screen_services import ServiceOptions

        arguments = [argument for argument in sys.argv[1:] if argument != "--watch"]
        _train_and_watch(arguments, out, ServiceOptions(games=games, data=data).services(), output)
        return
    from oreo_agent.cli.common.results import show_results
    from oreo_agent.training.run import train as run

    with progress_display(output) as display, interruptible(out):
        results = run(
            settings.value,
            out,
            episodes=tuple(episodes or ()),
            checkpoint=checkpoint,
            resume=resume,
            force=force,
            command=shlex.join(["oreo-agent", *(a for a in sys.argv[1:] if a != "--resume")]),
            display=display,
        )
    show_results(output, [results], out=out, last_line=True)


def _train_and_watch(
    arguments: Sequence[str], out: Path, services: ScreenServices, output: Output
) -> None:
    """Start a run in a separate process and show it; the run continues when the screen is left."""
    from oreo_agent.cli.common.detached_run import DetachedRun
    from oreo_agent.cli.common.results import show_results
    from oreo_agent.episodes import default_journal_folder
    from oreo_agent.training.results import load_results
    from oreo_agent.tui.launcher import run_screen
    from oreo_agent.tui.screens.train import TrainScreen

    output.note("starting the run ...")
    run = DetachedRun(arguments, out, default_journal_folder().parent / "runs")
    if run.wait_until_at_work():
        screen = TrainScreen(out, services, stop=run.stop)
        run_screen(services, screen, episodes=[out / "episodes"])
    code = run.report_state()
    if run.code == 0:
        show_results(output, [load_results(out)], out=out)
    raise typer.Exit(code)
