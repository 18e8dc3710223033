"""One run of ``oreo-agent train``: stage after stage, each resumable, from games to report.

games -> demonstrations -> SFT -> rounds of (rollouts of the current policy -> every method learns
from them -> evaluation) -> report. With logged episodes given, these take the place of the
demonstrations and of the first round's rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Episode
from oreo_agent.episodes.store import episode_files, read_episodes
from oreo_agent.errors import ConfigError, UsageError
from oreo_agent.files import write_whole
from oreo_agent.models.checkpoints import Checkpoint, load_checkpoint
from oreo_agent.training.config import RunConfig
from oreo_agent.training.episode_filters import (
    apart_from,
    fingerprint,
    fingerprints,
    need,
    successes,
    with_return,
)
from oreo_agent.training.loggers import check_loggers
from oreo_agent.training.methods import Method
from oreo_agent.training.progress_callback import Display, SilentDisplay
from oreo_agent.training.progress_file import telling
from oreo_agent.training.report import markdown, write_plots
from oreo_agent.training.results import MethodResult, RunResults
from oreo_agent.training.rounds import (
    collect_rollouts,
    evaluate_methods,
    idle_notes,
    learn_method,
)
from oreo_agent.training.run_context import Workspace
from oreo_agent.training.run_dir import RunFolder, write_found
from oreo_agent.training.sft_stage import keep_start, stage_sft
from oreo_agent.training.single import set_threads
from oreo_agent.training.stages import Games, choose_games, library_versions, open_pool
from oreo_agent.training.worlds import world_of

__all__ = ["Run", "train"]


def train(
    config: RunConfig,
    out: Path,
    *,
    episodes: Sequence[Path] = (),
    checkpoint: Path | None = None,
    resume: bool = False,
    force: bool = False,
    command: str = "oreo-agent train alfworld",
    display: Display | None = None,
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
    display = display or SilentDisplay()
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
    identity = {
        "config": asdict(config),
        "episodes": [fingerprint(path) for path in episode_files(episodes)],
        "checkpoint": None if checkpoint is None else fingerprints(checkpoint),
        "versions": library_versions(world_of(config)),
    }
    folder = RunFolder(out)
    with folder.claim(identity, resume=resume, force=force), telling(out, display) as told:
        return Run(config, folder, told).everything(given, start, command)


class Run:
    """A run under way in a claimed folder."""

    def __init__(self, config: RunConfig, folder: RunFolder, display: Display) -> None:
        self.config = config
        self.folder = folder
        self.display = display
        self.world = world_of(config)
        self.versions = library_versions(self.world)
        self.learners = [m for m in Method if m in config.methods and m is not Method.SFT]
        """The methods that learn from rollouts, in their fixed order."""
        cores = set_threads(config.threads)
        self.workers = config.workers or cores

    def everything(
        self, given: list[Episode] | None, start: Checkpoint | None, command: str
    ) -> RunResults:
        """Run every stage that has not finished yet.

        Args:
            given: Logged episodes with a return, in place of demonstrations and rollouts.
            start: The starting policy, in place of SFT.
            command: Printed in the report.
        """
        options = self.world.prepare(self.display)
        with open_pool(self.world, options, self.workers) as pool:
            games = self._stage_games(pool)
            work = Workspace(
                config=self.config,
                folder=self.folder,
                display=self.display,
                world=self.world,
                versions=self.versions,
                pool=pool,
                games=games,
            )
            if given is not None:
                held_out = {task for tasks in games.held_out.values() for task in tasks}
                given = apart_from(given, held_out, self.display)
            if start is None:
                stage_sft(work, given)
            else:
                keep_start(work, start)
            methods, notes = self._rounds(work, given, demonstrated=start is None)
        missing = [
            f"there were no {s} games" for s in self.world.held_out if not games.held_out.get(s)
        ]
        results = RunResults(
            seed=self.config.seed,
            source=self.world.source,
            methods=methods,
            seconds=self.folder.seconds(),
            decoding=self._decoding(),
            notes=[*_what_sft_is(start), *missing, *notes],
        )
        write_found(self.folder.path / "results.json", results)
        write_plots(results, self.folder.path / "metrics", self.folder.path / "plots")
        write_whole(self.folder.path / "report.md", markdown([results], command=command).encode())
        return results

    def _stage_games(self, pool: WorkerPool) -> Games:
        games = self.folder.done("games", Games)
        if games is None:
            games = choose_games(pool, self.world)
            self.folder.finish("games", games)
        return games

    def _rounds(
        self, work: Workspace, given: list[Episode] | None, *, demonstrated: bool
    ) -> tuple[list[MethodResult], list[str]]:
        """Collect, learn and evaluate, round after round; return the results and remarks."""
        section = self.config.rounds
        found: list[MethodResult] = []
        notes: list[str] = []
        rollouts: list[Episode] = []
        for number in range(1, section.count + 1):
            fresh = given if number == 1 else None
            if fresh is None:
                fresh = collect_rollouts(work, number, demonstrated=demonstrated and given is None)
            rollouts = [*rollouts, *fresh] if section.data == "all" else fresh
            for method in self.learners:
                learn_method(work, method, number, rollouts)
            measured = [Method.SFT, *self.learners] if number == 1 else self.learners
            found += evaluate_methods(work, measured, number)
            if section.count > 1:
                won = len(successes(fresh))
                notes.append(f"round {number}: {won} of {len(fresh)} rollouts were won")
            notes += idle_notes(work, self.learners, number)
        return found, notes

    def _decoding(self) -> str:
        section = self.config.evaluation
        kind = "greedy" if section.temperature == 0 else f"temperature-{section.temperature:g}"
        restricted = ", restricted to admissible actions" if section.restricted else ""
        return f"{'' if restricted else 'free '}{kind} decoding{restricted}"


def _what_sft_is(start: Checkpoint | None) -> list[str]:
    """Say what the first row stands for, where it is not SFT."""
    if start is None or start.meta.method == Method.SFT:
        return []
    return [f"SFT stands for the checkpoint that it started from, trained by {start.meta.method}"]


def _check(config: RunConfig) -> None:
    learns = any(method.is_oreo for method in config.methods)
    if learns and config.oreo.value_warmup >= config.oreo.steps:
        raise ConfigError(
            f"oreo.value_warmup is {config.oreo.value_warmup}, of oreo.steps = {config.oreo.steps}:"
            " the policy would never move.",
            "Lower oreo.value_warmup or raise oreo.steps.",
        )
    if learns and config.oreo.start == "rejection" and Method.REJECTION not in config.methods:
        raise ConfigError(
            "oreo.start is rejection, and rejection is not among the methods.",
            "Add --method rejection.",
        )
    if config.rounds.count > 1 and Method.OREO not in config.methods:
        raise ConfigError(
            f"rounds.count is {config.rounds.count}, and oreo is not among the methods: its policy"
            " plays the rollouts of later rounds.",
            "Add --method oreo.",
        )
