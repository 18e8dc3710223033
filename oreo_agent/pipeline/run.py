"""One run of ``oreo-agent train``: stage after stage, each resumable, from games to report.

games -> demonstrations -> SFT -> rollouts of the SFT policy -> rejection sampling -> OREO ->
evaluation -> report. With logged episodes given, these take the place of demonstrations and
rollouts, and nothing is collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from oreo_agent.agents.language_model import load_agent
from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.workers import WorkerPool
from oreo_agent.episodes.record import Episode
from oreo_agent.episodes.store import episode_files, read_episodes
from oreo_agent.errors import ConfigError, UsageError
from oreo_agent.files import write_whole
from oreo_agent.models.checkpoints import (
    Checkpoint,
    CheckpointMeta,
    load_checkpoint,
    save_checkpoint,
)
from oreo_agent.models.presets import build_policy
from oreo_agent.models.rendered import RenderedEpisode
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.roles import ValueModel
from oreo_agent.models.tokenizer import train_tokenizer
from oreo_agent.pipeline.config import RunConfig
from oreo_agent.pipeline.display import Display, SilentDisplay
from oreo_agent.pipeline.folder import Finished, RunFolder, write_found
from oreo_agent.pipeline.learn import Fit, fit_oreo, fit_sft
from oreo_agent.pipeline.report import markdown, write_plots
from oreo_agent.pipeline.results import MethodResult, RunResults
from oreo_agent.pipeline.selection import (
    apart_from,
    fingerprint,
    hold_out,
    need,
    successes,
    texts,
    with_return,
)
from oreo_agent.pipeline.single import set_threads
from oreo_agent.pipeline.stages import (
    Games,
    choose_games,
    derive_seed,
    evaluate_agent,
    jobs_for,
    library_versions,
    open_pool,
    play,
)
from oreo_agent.pipeline.worlds import world_of
from oreo_agent.rollout import Job

__all__ = ["Run", "train"]

METHODS = ("sft", "rejection", "oreo")
_NOTHING_WON = "no rollout was successful: rejection sampling is the SFT policy unchanged"


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
    if config.oreo.value_warmup >= config.oreo.steps:
        raise ConfigError(
            f"oreo.value_warmup is {config.oreo.value_warmup}, of oreo.steps = {config.oreo.steps}:"
            " the policy would never move.",
            "Lower oreo.value_warmup or raise oreo.steps.",
        )
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
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "versions": library_versions(world_of(config)),
    }
    folder = RunFolder(out)
    with folder.claim(identity, resume=resume, force=force):
        return Run(config, folder, display).everything(given, start, command)


class Run:
    """A run under way in a claimed folder."""

    def __init__(self, config: RunConfig, folder: RunFolder, display: Display) -> None:
        self.config = config
        self.folder = folder
        self.display = display
        self.world = world_of(config)
        self.versions = library_versions(self.world)
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
            if given is not None:
                held_out = {task for tasks in games.held_out.values() for task in tasks}
                given = apart_from(given, held_out, self.display)
            if start is None:
                self._stage_sft(pool, games, given)
            else:
                self._keep_start(start)
            rollouts = given
            if rollouts is None:
                rollouts = self._rollouts(pool, games, demonstrated=start is None)
            self._stage_rejection(rollouts)
            self._stage_oreo(rollouts)
            methods = self._evaluate(pool, games)
        results = RunResults(
            seed=self.config.seed,
            source=self.world.source,
            methods=methods,
            seconds=self.folder.seconds(),
            decoding=self._decoding(),
            notes=self._notes(games),
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

    def _stage_sft(self, pool: WorkerPool, games: Games, given: list[Episode] | None) -> None:
        """Learn the starting policy from demonstrations, or from the logged successes."""
        if self.folder.is_done("sft"):
            return
        if given is None:
            shown, checked = self._demonstrations(pool, games)
        else:
            shown, checked = hold_out(successes(given), self.world.validation)
        with self.folder.timed("sft"):
            corpus = texts(shown if given is None else given)
            tokenizer = train_tokenizer(corpus, spells_numbers=self.world.spells_numbers)
            renderer = Renderer(tokenizer)
            fresh = build_policy(self.config.model.preset, tokenizer, seed=self._seed("weights"))
            fit = self._fit("sft", self.config.sft.steps, self.config.sft.batch)
            policy = fit_sft(
                fresh,
                self._render(renderer, shown, imitate=True),
                fit,
                lr=self.config.sft.lr,
                validation=self._render(renderer, checked, imitate=True),
            )
            self._save("sft", policy, None, tokenizer)

    def _demonstrations(
        self, pool: WorkerPool, games: Games
    ) -> tuple[list[Episode], list[Episode]]:
        """Let the expert play; return its successes on training and on validation games."""
        section = self.config.demonstrations
        agent = self.world.expert(noise=section.noise, per_episode=True)
        chosen = games.train[: section.games] if section.games else games.train
        found = []
        for name, tasks, per_game in (
            ("demonstrations", chosen, section.per_game),
            ("validation", games.validation, 1),
        ):
            jobs = jobs_for(tasks, split="train", per_game=per_game, seed=(self._seed(name),))
            with self.folder.timed(name):
                episodes = self._play(pool, agent, jobs, name)
            found.append(successes(episodes))
        need(found[0], "the expert won no game", "Lower demonstrations.noise or add games.")
        return found[0], found[1]

    def _rollouts(self, pool: WorkerPool, games: Games, *, demonstrated: bool) -> list[Episode]:
        """Let the SFT policy play training games, those first that it was not shown."""
        section = self.config.rollouts
        shown = self.config.demonstrations.games if demonstrated and section.games == "new" else 0
        agent = load_agent(
            self._path("sft"), temperature=section.temperature, max_tokens=self.world.max_tokens
        )
        jobs = jobs_for(
            games.train[shown:] or games.train,
            split="train",
            per_game=section.per_game,
            seed=(self._seed("rollouts"),),
            patience=section.patience or None,
        )
        with self.folder.timed("rollouts"):
            episodes = self._play(pool, agent, jobs, "rollouts")
        return with_return(episodes, self.display)

    def _stage_rejection(self, rollouts: list[Episode]) -> None:
        """SFT on the successful rollouts, with as many updates as OREO."""
        if self.folder.is_done("rejection"):
            return
        won = successes(rollouts)
        counts = {"episodes": len(rollouts), "successful": len(won)}
        with self.folder.timed("rejection", counts=counts):
            start = load_checkpoint(self._path("sft"))
            policy = start.policy
            if won:
                fit = self._fit("rejection", self.config.oreo.steps, self.config.oreo.batch)
                rendered = self._render(Renderer(start.tokenizer), won, imitate=True)
                policy = fit_sft(policy, rendered, fit, lr=self.config.rejection.lr)
            else:  # imitating nothing leaves the policy as it is
                self.display.note(_NOTHING_WON)
            self._save("rejection", policy, None, start.tokenizer)

    def _stage_oreo(self, rollouts: list[Episode]) -> None:
        """OREO on all rollouts."""
        if self.folder.is_done("oreo"):
            return
        with self.folder.timed("oreo"):
            start = load_checkpoint(self._path("sft"))
            fit = self._fit("oreo", self.config.oreo.steps, self.config.oreo.batch)
            rendered = self._render(Renderer(start.tokenizer), rollouts)
            policy, value = fit_oreo(start.policy, start.value, rendered, fit, self.config.oreo)
            self._save("oreo", policy, value, start.tokenizer)

    def _evaluate(self, pool: WorkerPool, games: Games) -> list[MethodResult]:
        """Play the held-out games with every policy of the run."""
        section = self.config.evaluation
        modes = [("", section.temperature)] + ([("@T=1", 1.0)] if section.sampled else [])
        found = []
        for method in METHODS:
            for suffix, temperature in modes:
                name = f"{method}{suffix}"
                result = self.folder.done(f"evaluate-{name}", MethodResult)
                if result is None:
                    agent = load_agent(
                        self._path(method),
                        temperature=temperature,
                        restricted=section.restricted,
                        max_tokens=self.world.max_tokens,
                    )
                    with self.folder.timed(f"evaluate-{name}", mark=False):
                        result = evaluate_agent(
                            pool,
                            agent,
                            games.held_out,
                            self.folder.path / "episodes" / f"evaluate-{name}",
                            method=name,
                            seed=self.world.seed,
                            wave=self.config.rollouts.wave,
                            versions=self.versions,
                            display=self.display,
                        )
                    self.folder.finish(f"evaluate-{name}", result)
                found.append(result)
        return found

    def _play(
        self,
        pool: WorkerPool,
        agent: Agent,
        jobs: list[Job],
        name: str,
    ) -> list[Episode]:
        return play(
            pool,
            agent,
            jobs,
            self.folder.path / "episodes" / name,
            wave=self.config.rollouts.wave,
            stage=name,
            versions=self.versions,
            display=self.display,
        )

    def _render(
        self, renderer: Renderer, episodes: Sequence[Episode], *, imitate: bool = False
    ) -> list[RenderedEpisode]:
        """Render episodes; those too long for the model are dropped, and counted."""
        limit = self.config.model.max_length
        rendered = [renderer.render(e, max_length=limit, imitate=imitate) for e in episodes]
        kept = [episode for episode in rendered if not episode.truncated]
        if len(kept) < len(rendered):
            dropped = len(rendered) - len(kept)
            self.display.note(f"{dropped} episodes longer than {limit} tokens were left out")
        return kept

    def _keep_start(self, start: Checkpoint) -> None:
        """Take a given checkpoint as the run's starting policy."""
        if not self.folder.is_done("sft"):
            with self.folder.timed("sft"):
                self._save("sft", start.policy, start.value, start.tokenizer)

    def _fit(self, name: str, steps: int, batch: int) -> Fit:
        return Fit(
            name=name,
            steps=steps,
            batch=batch,
            seed=self._seed(name),
            save_every=self.config.save_every,
            log_every=self.config.log_every,
            work=self.folder.path / "training" / name,
            metrics=self.folder.path / "metrics" / f"{name}.jsonl",
            display=self.display,
        )

    def _save(
        self,
        method: str,
        policy: PreTrainedModel,
        value: ValueModel | None,
        tokenizer: PreTrainedTokenizerFast,
    ) -> None:
        save_checkpoint(
            self._path(method),
            policy=policy,
            value=value,
            tokenizer=tokenizer,
            meta=CheckpointMeta(method=method, seed=self.config.seed, versions=self.versions),
        )

    def _path(self, name: str) -> Path:
        return self.folder.path / "checkpoints" / name

    def _seed(self, purpose: str) -> int:
        return derive_seed(self.config.seed, purpose) % 2**31

    def _decoding(self) -> str:
        section = self.config.evaluation
        kind = "greedy" if section.temperature == 0 else f"temperature-{section.temperature:g}"
        restricted = ", restricted to admissible actions" if section.restricted else ""
        return f"{'' if restricted else 'free '}{kind} decoding{restricted}"

    def _notes(self, games: Games) -> list[str]:
        mark = self.folder.done("rejection", Finished)
        notes = [
            f"there were no {s} games" for s in self.world.held_out if not games.held_out.get(s)
        ]
        if mark is not None and mark.counts.get("successful") == 0:
            notes.append(_NOTHING_WON)
        return notes
