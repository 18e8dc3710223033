"""``oreo-agent data games``: list the tasks of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from oreo_agent.cli.common.options import (
    DataOption,
    EnvArgument,
    GameLimit,
    GamesOption,
    JsonFlag,
    SplitOption,
    env_options,
    evaluation_split,
    examples,
)
from oreo_agent.cli.common.output import Output, plain

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()


@app.command(
    epilog=examples(
        "oreo-agent data games alfworld --split valid_unseen --limit 5",
        "oreo-agent data games alfworld --games official --json",
    ),
)
def games(
    env: EnvArgument = "alfworld",
    split: SplitOption = None,
    source: GamesOption = None,
    data: DataOption = None,
    limit: GameLimit = None,
    as_json: JsonFlag = False,
) -> None:
    """List the ids of a split's games, as `play --task` takes them."""
    from oreo_agent.envs import make
    from oreo_agent.envs.registry import plugin_of

    options = env_options(env, source, data)
    environment = make(env, worker=False, **options)
    try:
        split = evaluation_split(env, split) or environment.spec.splits[0]
        tasks = list(environment.tasks(split))[:limit]
    finally:
        environment.close()

    def draw(console: Console) -> None:
        for task in tasks:
            console.print(plain(task), soft_wrap=True, markup=False)

    Output(as_json=as_json).result(
        {
            "env": env,
            "games": options.get(plugin_of(env).source_option),
            "split": split,
            "tasks": tasks,
        },
        draw,
    )
