"""Learning: train, collect."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oreo_agent.agents.choice import AgentChoice
from oreo_agent.cli.checkpoints import check_pipeline_environment, settle_checkpoint
from oreo_agent.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    AgentOption,
    CheckpointOption,
    ConfigOption,
    DataOption,
    EnvArgument,
    ForceFlag,
    Games,
    GamesOption,
    JsonLinesFlag,
    Preset,
    PresetOption,
    QuietFlag,
    SeedOption,
    SetOption,
    SplitOption,
    TemperatureOption,
    ThreadsOption,
    examples,
    games_source,
)
from oreo_agent.cli.output import Output
from oreo_agent.cli.progress import interruptible, progress_display

if TYPE_CHECKING:
    from oreo_agent.config import Resolved
    from oreo_agent.pipeline.config import RunConfig

__all__ = ["register", "resolve_train_config"]

PANEL = "Learning"


def register(app: typer.Typer) -> None:
    """Add this panel's commands."""
    app.command(
        rich_help_panel=PANEL,
        epilog=examples(
            "oreo-agent train alfworld --preset smoke --out runs/smoke",
            "oreo-agent train alfworld -s oreo.beta=0.05 --seed 1 --out runs/b5 --resume",
            "oreo-agent train math --preset smoke --out runs/math",
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
    games: Games | None = None,
    data: Path | None = None,
    seed: int | None = None,
    threads: int | None = None,
) -> Resolved[RunConfig]:
    """Fill a run's settings from flags, environment, files and preset.

    Raises:
        UsageError: The pipeline does not know the environment.
        ConfigError: A setting is not accepted.
    """
    from oreo_agent.config import config_files, resolve
    from oreo_agent.pipeline.config import MathTrainConfig, TrainConfig
    from oreo_agent.pipeline.presets import MATH_PRESETS, PRESETS

    check_pipeline_environment(env)
    source = games_source(env, games, data)
    kind: type[RunConfig] = MathTrainConfig if env == "math" else TrainConfig
    presets: Mapping[str, RunConfig] = MATH_PRESETS if env == "math" else PRESETS
    section = "problems" if env == "math" else "games"
    return resolve(
        kind,
        flags={
            f"{section}.source": source.value if source else None,
            f"{section}.data": str(data) if data else None,
            "seed": seed,
            "threads": threads,
        },
        sets=sets or (),
        files=config_files(config),
        base=presets[preset.value] if preset else None,
        base_source=f"--preset {preset.value}" if preset else "default",
        others=(TrainConfig(), MathTrainConfig()),
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
    episodes: Annotated[
        list[Path] | None,
        typer.Option(
            "--episodes",
            metavar="FILE",
            help="Train from these logged episodes alone; may be repeated.",
            rich_help_panel=DATA,
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
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
    )
    output = Output(as_json=as_json, quiet=quiet)
    if out is None:
        out = Path("runs") / env
    if dry_run:
        from oreo_agent.pipeline.plan import plan

        output.result(plan(settings.value, logged=bool(episodes), start=checkpoint is not None))
        return
    from oreo_agent.cli.results import show_results
    from oreo_agent.pipeline.run import train as run

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
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonLinesFlag = False,
) -> None:
    """Play many episodes and store them."""
    settings = resolve_train_config(
        env, config=config, sets=sets, games=games, data=data, seed=seed, threads=threads
    )
    output = Output(as_json=as_json, quiet=quiet)
    from oreo_agent.episodes.record import Outcome
    from oreo_agent.pipeline.single import collect as run
    from oreo_agent.pipeline.single import make_agent
    from oreo_agent.pipeline.worlds import world_of

    player = make_agent(
        agent,
        settle_checkpoint(env, AgentChoice.parse(agent).kind, checkpoint),
        temperature=temperature,
        noise=noise,
        world=world_of(settings.value),
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
