"""One run of ``oreo-agent train``: stage after stage, each resumable, from games to report.

games -> demonstrations -> SFT -> rounds of (rollouts of the current policy -> every method learns
from them -> evaluation) -> report. With logged episodes given, these take the place of the
demonstrations and of the first round's rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from oreo_agent.episodes.store import episode_files, read_episodes
from oreo_agent.errors import ConfigError, UsageError
from oreo_agent.learning.loggers import check_loggers
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.training.config import RunConfig
from oreo_agent.training.demonstrated import demonstrated_tasks
from oreo_agent.training.episode_filters import (
    fingerprint,
    fingerprints,
    need,
    successes,
    with_return,
)
from oreo_agent.training.progress_file import report_progress
from oreo_agent.training.results import RunResults
from oreo_agent.training.run_context import RunContext
from oreo_agent.training.run_dir import RunDir
from oreo_agent.training.run_stages import RUNNERS
from oreo_agent.training.stage_plan import build_stages
from oreo_agent.training.stages import open_pool


def train(
    config: RunConfig,
    out: Path,
    *,
    episodes: Sequence[Path] = (),
    checkpoint: Path | None = None,
    resume: bool = False,
    force: bool = False,
    command: str = "oreo-agent train alfworld",
    display: ProgressCallback | None = None,
) -> RunResults:
    """Run the whole pipeline and return what it measured.

    Args:
        config: Every knob.
        out: The run folder.
        episodes: Logged episodes to learn from, in place of collecting any.
        checkpoint: Start from this policy, in place of SFT.
        resume: Go on with the run in ``out``, or start one.
        force: Delete what is in ``out``.
        command: Printed in the report.
        display: Follows the run.

    Raises:
        OreoAgentError: Anything a user can mend.
    """
    display = display or ProgressCallback()
    if resume and force:
        raise UsageError("--resume and --force exclude each other.", "Give one of them.")
    _check(config)
    check_loggers(config.report_to)
    # What is given is read before any work is done: a damaged file is said at once, and nothing is
    # left behind.
    start = None if checkpoint is None else load_checkpoint(checkpoint)
    given = None
    if episodes:
        given = with_return(list(read_episodes(episodes)), display)
        if start is None:
            need(
                successes(given),
                "no successful episode to start from",
                "Give --checkpoint, or add some.",
            )
    tasks = config.plan()
    identity = {
        "config": asdict(config),
        "episodes": [fingerprint(path) for path in episode_files(episodes)],
        "checkpoint": None if checkpoint is None else fingerprints(checkpoint),
        "versions": config.plugin.versions(),
    }
    run_dir = RunDir(out)
    with (
        run_dir.claim(identity, resume=resume, force=force, earlier=config.earlier()),
        report_progress(out, display) as progress,
        open_pool(config, progress) as pool,
    ):
        run = RunContext(
            config=config,
            run_dir=run_dir,
            progress=progress,
            plan=tasks,
            pool=pool,
            command=command,
            start=start,
            shown_before=None if checkpoint is None else demonstrated_tasks(checkpoint),
            logged=given,
        )
        for stage in build_stages(config, logged=given is not None, start=start is not None):
            RUNNERS[stage.kind](run, stage)
    assert run.finished is not None  # the last stage is the report
    return run.finished


def _check(config: RunConfig) -> None:
    for method in config.methods:
        config.of_method(method).check(config.methods)
    if config.rounds.count > 1 and "oreo" not in config.methods:
        raise ConfigError(
            f"rounds.count is {config.rounds.count}, and oreo is not among the methods: its policy"
            " plays the rollouts of later rounds.",
            "Add --method oreo.",
        )
