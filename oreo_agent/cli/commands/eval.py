"""``oreo-agent eval``: success of one agent, or of two on the same games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    GameLimit,
    GamesOption,
    JsonFlag,
    QuietFlag,
    SeedOption,
    SetOption,
    SplitOption,
    TemperatureOption,
    ThreadsOption,
    evaluation_split,
    examples,
    output_option,
)
from oreo_agent.cli.common.output import Output, plain
from oreo_agent.cli.common.progress import ProgressDisplay, interruptible
from oreo_agent.cli.common.results import cost_lines, results_document, show_methods
from oreo_agent.cli.common.run_settings import resolve_run_settings
from oreo_agent.errors import CheckFailedError, MissingError, RunFailedError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from oreo_agent.agents.protocol import Agent
    from oreo_agent.training.results import MethodResult

_RESULTS = "results.json"

app = typer.Typer()


@app.command(
    "eval",
    rich_help_panel="Run",
    epilog=examples(
        "oreo-agent eval alfworld --checkpoint runs/demo/checkpoints/oreo",
        "oreo-agent eval alfworld --limit 40 --min-success 0.5 --json",
    ),
)
def evaluate(
    env: EnvArgument,
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    split: SplitOption = None,
    games: GamesOption = None,
    data: DataOption = None,
    dialect: DialectOption = None,
    limit: GameLimit = None,
    temperature: TemperatureOption = 0.0,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="PATH",
            help="A second checkpoint, or the results of an earlier eval, on the same games.",
        ),
    ] = None,
    min_success: Annotated[
        float | None,
        typer.Option(
            "--min-success", min=0.0, max=1.0, help="Exit with 5 below this share of games won."
        ),
    ] = None,
    out: Annotated[
        Path | None, output_option("--out", metavar="DIR", help="Keep episodes and results here.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure success on held-out games, each played once."""
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
    import msgspec

    from oreo_agent.agents.factory import make_agent
    from oreo_agent.training.evaluate import evaluate as run

    run_config, output = settings.value, Output(as_json=as_json, quiet=quiet)
    split = evaluation_split(env, split) or next(iter(run_config.plan().held_out), "train")

    setting = replace(
        run_config.agent_setting(),
        temperature=temperature,
        restricted=run_config.evaluation.restricted,
    )

    def load(name: str, folder: Path | None) -> Agent:
        return make_agent(name, replace(setting, checkpoint=folder))

    spec, source = AgentSpec.parse(agent), source_of_games(run_config)
    checkpoint = settle_checkpoint(env, spec, checkpoint, source)
    # Both are loaded before either plays, so that an error in the second is reported at once.
    player = load(agent, checkpoint)
    earlier = None if compare is None else _earlier(compare)
    second = None if compare is None or earlier is not None else load("model", compare)
    with (
        ProgressDisplay(quiet=quiet or as_json) as display,
        interruptible(out, "the same command"),
    ):
        results = [
            run(
                run_config,
                player,
                name=_called(agent, checkpoint),
                split=split,
                limit=limit,
                out=out,
                force=force,
                same_games_as=earlier,
                display=display,
            )
        ]
        if second is not None:
            results.append(
                run(
                    run_config,
                    second,
                    name=str(compare),
                    split=split,
                    limit=limit,
                    display=display,
                )
            )
        elif earlier is not None:
            results.append(earlier)
    if len(results) == 2 and results[0].method == results[1].method:
        results[1] = msgspec.structs.replace(results[1], method=f"{compare}, compared")
    _show(output, results)
    rate = results[0].by_split()["all"]["all"].rate
    if min_success is not None and rate < min_success:
        raise CheckFailedError(
            f"success is {rate:.1%}, asked for was at least {min_success:.1%}.",
            "Train longer, or lower --min-success.",
        )


def _show(output: Output, results: Sequence[MethodResult]) -> None:
    """Print the first result by task type, and the paired test against a second one."""
    from oreo_agent.evaluation import mcnemar_exact

    document = results_document(results)
    lines = cost_lines(results)
    if len(results) == 2:
        ours, theirs = (result.won() for result in results)
        p_value = mcnemar_exact(ours, theirs)
        difference = (sum(ours.values()) - sum(theirs.values())) / len(ours)
        document["comparison"] = {
            "difference": difference,
            "p_value": p_value,
            "test": "exact McNemar",
        }
        lines.append(f"difference: {difference:+.1%}, p = {p_value:.2g} (exact McNemar)")

    def draw(console: Console) -> None:
        show_methods(output, results)(console)
        rows = [
            (kind, f"{cell.rate:.1%} [{cell.low:.1%}, {cell.high:.1%}]", cell.games)
            for kind, cell in results[0].by_split()["all"].items()
        ]
        output.table(["task type", "#success", "#games"], rows)(console)
        for line in lines:
            console.print(plain(line), markup=False, soft_wrap=True)

    output.result(document, draw)


def _called(kind: str, checkpoint: Path | None) -> str:
    """Return what a result is called."""
    if checkpoint is None:
        return kind
    return str(checkpoint) if kind == "model" else f"{kind} of {checkpoint}"


def _earlier(rival: Path) -> MethodResult | None:
    """Return the results that an earlier eval kept, or None where ``rival`` is a checkpoint."""
    from oreo_agent.training.results import MethodResult
    from oreo_agent.training.run_dir import read_result

    path = rival / _RESULTS if rival.is_dir() else rival
    if not path.is_file():
        if rival.is_dir():
            return None
        raise MissingError(
            f"{rival}: there is nothing there.", "Name a checkpoint or a results file."
        )
    try:
        return read_result(path, MethodResult, fix="Name what eval --out wrote.")
    except RunFailedError as error:
        raise UsageError(error.what, error.fix) from error
