"""``oreo-agent collect``: play many episodes and store them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from oreo_agent.agents.agent_spec import AgentSpec
from oreo_agent.cli.common.checkpoints import settle_checkpoint, source_of_games
from oreo_agent.cli.common.options import (
    AgentOption,
    CheckpointOption,
    ConfigOption,
    DataOption,
    DialectOption,
    EnvArgument,
    ForceFlag,
    GamesOption,
    JsonLinesFlag,
    QuietFlag,
    SeedOption,
    SetOption,
    SplitOption,
    TemperatureOption,
    ThreadsOption,
    data_option,
    examples,
    model_option,
    output_option,
)
from oreo_agent.cli.common.output import Output
from oreo_agent.cli.common.progress import interruptible, progress_display
from oreo_agent.cli.common.run_settings import resolve_run_settings

app = typer.Typer()


@app.command(
    rich_help_panel="Learning",
    epilog=examples(
        "oreo-agent collect alfworld --agent expert --count 200 --out runs/expert",
        "oreo-agent collect alfworld --checkpoint runs/demo/checkpoints/sft --out runs/own",
    ),
)
def collect(
    env: EnvArgument,
    out: Annotated[Path, output_option("--out", metavar="DIR", help="Folder for the episodes.")],
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    split: SplitOption = None,
    count: Annotated[int, data_option("--count", min=1, help="Episodes to play.")] = 100,
    temperature: TemperatureOption = 1.0,
    noise: Annotated[
        float,
        model_option(
            "--noise", min=0.0, max=1.0, help="Of the expert: share of turns with another action."
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
    settings = resolve_run_settings(
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
    from oreo_agent.agents.factory import make_agent
    from oreo_agent.episodes.record import Outcome
    from oreo_agent.training.collect import collect as run

    spec, source = AgentSpec.parse(agent), source_of_games(settings.value)
    setting = replace(
        settings.value.agent_setting(),
        checkpoint=settle_checkpoint(env, spec, checkpoint, source),
        temperature=temperature,
        noise=noise,
    )
    player = make_agent(spec, setting)
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
