"""What ``oreo-agent eval`` does: one agent, or two on the same games."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console

from oreo_agent.agents.protocol import Agent
from oreo_agent.cli.common.output import Output, plain
from oreo_agent.cli.common.progress import ProgressDisplay, interruptible
from oreo_agent.cli.common.results import cost_lines, results_document, show_methods
from oreo_agent.errors import CheckFailedError, MissingError, RunFailedError, UsageError
from oreo_agent.evaluation import mcnemar_exact
from oreo_agent.training.config import RunConfig
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_dir import read_result
from oreo_agent.training.single import evaluate, make_agent

__all__ = ["evaluate_and_show"]

_RESULTS = "results.json"


def evaluate_and_show(
    config: RunConfig,
    output: Output,
    *,
    player: tuple[str, Path | None],
    rival: Path | None,
    split: str | None,
    limit: int | None,
    temperature: float,
    min_success: float | None,
    out: Path | None,
    force: bool,
) -> None:
    """Measure an agent, compare it with a rival if one is named, and print the result.

    Args:
        config: Games, threads, workers.
        output: Where the result goes.
        player: How the agent is named, and its checkpoint if it is a model.
        rival: Another checkpoint, or the folder (or ``results.json``) of an earlier eval.
        split: Which games; None is the first that is held out.
        limit: Only the first games.
        temperature: Of the model.
        min_success: Fail below this share.
        out: Where episodes and results are kept.
        force: Delete what is in ``out``.

    Raises:
        CheckFailedError: Success is below ``min_success``.
        UsageError: The rival's results are of other games, or ``out`` holds something else.
        MissingError: The rival is not there.
    """
    split = split or next(iter(config.plan().held_out), "train")

    def load(kind: str, checkpoint: Path | None) -> Agent:
        return make_agent(
            kind,
            checkpoint,
            temperature=temperature,
            restricted=config.evaluation.restricted,
            config=config,
        )

    kind, checkpoint = player
    # Both are loaded before either plays: what is wrong with the second is said at once.
    agent = load(kind, checkpoint)
    earlier = None if rival is None else _earlier(rival)
    second = None if rival is None or earlier is not None else load("model", rival)
    with (
        ProgressDisplay(quiet=output.quiet or output.as_json) as display,
        interruptible(out, "the same command"),
    ):
        results = [
            evaluate(
                config,
                agent,
                name=_called(kind, checkpoint),
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
                evaluate(config, second, name=str(rival), split=split, limit=limit, display=display)
            )
        elif earlier is not None:
            results.append(earlier)
    if len(results) == 2 and results[0].method == results[1].method:
        results[1] = msgspec.structs.replace(results[1], method=f"{rival}, compared")
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
    by_type = results[0].by_split()["all"]

    def draw(console: Console) -> None:
        show_methods(output, results)(console)
        rows = [
            (kind, f"{cell.rate:.1%} [{cell.low:.1%}, {cell.high:.1%}]", cell.games)
            for kind, cell in by_type.items()
        ]
        output.table(["task type", "#success", "#games"], rows)(console)
        for line in lines:
            console.print(plain(line), markup=False, soft_wrap=True)

    output.result(document, draw)
    rate = by_type["all"].rate
    if min_success is not None and rate < min_success:
        raise CheckFailedError(
            f"success is {rate:.1%}, asked for was at least {min_success:.1%}.",
            "Train longer, or lower --min-success.",
        )


def _called(kind: str, checkpoint: Path | None) -> str:
    """Return what a result is called."""
    if checkpoint is None:
        return kind
    return str(checkpoint) if kind == "model" else f"{kind} of {checkpoint}"


def _earlier(rival: Path) -> MethodResult | None:
    """Return the results that an earlier eval kept, or None where ``rival`` is a checkpoint."""
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
