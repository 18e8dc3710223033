"""Learning: train, collect."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.agents.agent_spec import AgentChoice
from oreo_agent.cli.commands.play import is_plain
from oreo_agent.cli.common.checkpoints import (
    check_environment,
    settle_checkpoint,
    source_of_games,
    starting_checkpoint,
)
from oreo_agent.cli.common.options import (
    DATA,
    MODEL,
    OUTPUT,
    AgentOption,
    CheckpointOption,
    ConfigOption,
    DataOption,
    DialectOption,
    EnvArgument,
    ForceFlag,
    GamesOption,
    JsonLinesFlag,
    Preset,
    PresetOption,
    QuietFlag,
    SeedOption,
    SetOption,
    SplitOption,
    StartOption,
    TemperatureOption,
    ThreadsOption,
    examples,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.progress import interruptible, progress_display
from oreo_agent.cli.common.screen_settings import other_settings
from oreo_agent.errors import UsageError
from oreo_agent.training.method_names import Name

if TYPE_CHECKING:
    from oreo_agent.config import Resolved
    from oreo_agent.training.config import RunConfig

__all__ = ["register", "resolve_train_config"]

PANEL = "Learning"


def register(app: typer.Typer) -> None:
    """Add this panel's commands."""
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent train alfworld --preset smoke --out runs/smoke",
            "oreo-agent train alfworld -s oreo.beta=0.05 --seed 1 --out runs/b5 --resume",
            "oreo-agent train alfworld -s games.receptacles=4-6 -s games.goals=varied",
            "oreo-agent train alfworld --method oreo --method kto --rounds 3 --out runs/rounds",
            "oreo-agent train math --preset smoke --out runs/math",
            "oreo-agent train tw-games --episodes logged -s env.games=games",
        ),
    )(train)
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent collect alfworld --agent expert --count 200 --out runs/expert",
            "oreo-agent collect alfworld --checkpoint runs/demo/checkpoints/sft --out runs/own",
        ),
    )(collect)


def resolve_train_config(
    env: str,
    *,
    config: Path | None = None,
    sets: list[str] | None = None,
    preset: Preset | None = None,
    games: str | None = None,
    data: Path | None = None,
    seed: int | None = None,
    threads: int | None = None,
    dialect: str | None = None,
    methods: list[Name] | None = None,
    rounds: int | None = None,
    report_to: list[str] | None = None,
    model: str | None = None,
) -> Resolved[RunConfig]:
    """Fill a run's settings from flags, environment, files and preset.

    Raises:
        UsageError: There is no such environment, or it has no such option.
        ConfigError: A setting is not accepted.
    """
    from oreo_agent.config import config_files, resolve
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.training.config import config_type, preset_config

    check_environment(env)
    base = preset_config(env, preset.value) if preset else None
    if preset and base is None:
        known = ", ".join(plugin_of(env).presets) or "none"
        raise UsageError(f"{env} has no --preset {preset}.", f"Known: {known}.")
    flags: dict[str, object] = {
        "seed": seed,
        "threads": threads,
        "methods": methods or None,
        "rounds.count": rounds,
        "report_to": report_to or None,
        "model.name": model,
        **plugin_of(env).run_settings(games, data, dialect),
    }
    files = config_files(config)
    return resolve(
        config_type(env),
        flags=flags,
        sets=sets or (),
        files=files,
        base=base,
        base_source=f"--preset {preset.value}" if preset else "default",
        others=other_settings(files),
    )


def train(
    env: EnvArgument,
    config: ConfigOption = None,
    sets: SetOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The run's folder.", rich_help_panel=OUTPUT),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out.", rich_help_panel=OUTPUT)
    ] = False,
    force: ForceFlag = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done.", rich_help_panel=OUTPUT),
    ] = False,
    preset: PresetOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    episodes: Annotated[
        list[Path] | None,
        typer.Option(
            "--episodes",
            metavar="FILE",
            help="Train from these logged episodes alone; may be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    checkpoint: StartOption = None,
    method: Annotated[
        list[Name] | None,
        typer.Option(
            "--method",
            help="A method to train and measure; may be repeated. Default: rejection and oreo.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Start from a pre-trained model with a chat template: Hub id or folder.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=1,
            help="Times to collect with the current policy, learn and evaluate.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    report_to: Annotated[
        list[str] | None,
        typer.Option(
            "--report-to",
            metavar="LOGGER",
            help="Log to tensorboard, trackio or wandb too; may be repeated.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show the run on the screen, as oreo-agent watch does; q leaves it running.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quiet: QuietFlag = False,
    as_json: JsonLinesFlag = False,
) -> None:
    """Train an agent: games, demonstrations, SFT, rollouts, OREO, evaluation."""
    settings = resolve_train_config(
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
    checkpoint = starting_checkpoint(env, checkpoint, source_of_games(settings.value))
    if not episodes and checkpoint is None:
        from oreo_agent.agents.expert import load_expert

        # An environment without an expert is refused before any work.
        load_expert(settings.value.plugin, settings.value.options())
    if out is None:
        out = Path("runs") / env
    if dry_run:
        from oreo_agent.training.dry_run import plan

        output.result(plan(settings.value, logged=bool(episodes), start=checkpoint is not None))
        return
    if watch and as_json:
        raise UsageError("--watch shows a screen, --json prints lines.", "Give one of them.")
    if watch and not is_plain(False):
        from oreo_agent.cli.commands.watch import train_and_watch
        from oreo_agent.cli.common.workbench import Bench

        arguments = [argument for argument in sys.argv[1:] if argument != "--watch"]
        train_and_watch(arguments, out, Bench(games=games, data=data), output)
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


def collect(
    env: EnvArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the episodes.", rich_help_panel=OUTPUT
        ),
    ],
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    split: SplitOption = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="Episodes to play.", rich_help_panel=DATA)
    ] = 100,
    temperature: TemperatureOption = 1.0,
    noise: Annotated[
        float,
        typer.Option(
            "--noise",
            min=0.0,
            max=1.0,
            help="Of the expert: share of turns with another action.",
            rich_help_panel=MODEL,
        ),
    ] = 0.0,
    config: ConfigOption = None,
    sets: SetOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonLinesFlag = False,
) -> None:
    """Play many episodes and store them."""
    settings = resolve_train_config(
        env,
        config=config,
        sets=sets,
        games=games,
        data=data,
        seed=seed,
        threads=threads,
        dialect=dialect,
    )
    output = Output(as_json=as_json, quiet=quiet)
    from oreo_agent.episodes.record import Outcome
    from oreo_agent.training.single import collect as run
    from oreo_agent.training.single import make_agent

    kind, source = AgentChoice.parse(agent).kind, source_of_games(settings.value)
    player = make_agent(
        agent,
        settle_checkpoint(env, kind, checkpoint, source),
        temperature=temperature,
        noise=noise,
        config=settings.value,
    )
    with progress_display(output) as display, interruptible(out, "the same command"):
        played = run(
            settings.value,
            player,
            out,
            split=split or "train",
            count=count,
            force=force,
            display=display,
        )
    counts = Counter(episode.outcome for episode in played)
    output.last_line(
        {"out": str(out), "episodes": len(played), **{o.value: counts[o] for o in Outcome}}
    )
