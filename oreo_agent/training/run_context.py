"""Settings, files and environments of one run, and what its stages have produced so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel

from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.plugin import TaskPlan
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import ConfigError
from oreo_agent.learning.fitting import FitOptions
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.checkpoints import Checkpoint, CheckpointMeta, save_checkpoint
from oreo_agent.models.rendering import RenderedEpisode, Renderer
from oreo_agent.progress_callback import ProgressCallback
from oreo_agent.rollout import Job
from oreo_agent.training.config import RunConfig
from oreo_agent.training.episode_filters import by_chance, stalled, successes
from oreo_agent.training.results import MethodResult, RunResults
from oreo_agent.training.run_dir import RunDir
from oreo_agent.training.stage_plan import Stage, StageKind
from oreo_agent.training.stages import Games, derive_seed, play


@dataclass(slots=True, kw_only=True)
class RunContext:
    """What the stages of one run share; they fill in the lower half."""

    config: RunConfig
    run_dir: RunDir
    progress: ProgressCallback
    plan: TaskPlan
    pool: WorkerPool
    command: str
    """Printed in the report."""
    start: Checkpoint | None
    """Starting policy that is given, in place of SFT."""
    shown_before: frozenset[str] | None
    """Tasks that were demonstrated to the starting policy; None where that is not known."""
    logged: list[Episode] | None
    """Logged episodes that are given, in place of demonstrations and of the first rollouts."""

    games: Games = field(default_factory=lambda: Games(train=[], validation=[], held_out={}))
    demonstrated: dict[StageKind, list[Episode]] = field(default_factory=dict)
    """The expert's successes."""
    rollouts: dict[int, list[Episode]] = field(default_factory=dict)
    """By round."""
    results: list[MethodResult] = field(default_factory=list)
    finished: RunResults | None = None

    def training_episodes(self, round_: int) -> list[Episode]:
        """Return the rollouts that methods learn from in a round."""
        first = 1 if self.config.rounds.data == "all" else round_
        return [e for number in range(first, round_ + 1) for e in self.rollouts[number]]

    def play(self, agent: Agent, jobs: list[Job], name: str) -> list[Episode]:
        """Let an agent play into ``episodes/NAME``; timed, resumable."""
        counts: dict[str, int] = {}
        with self.run_dir.timed(name, counts=counts):
            episodes = play(
                self.pool,
                agent,
                jobs,
                self.run_dir.path / "episodes" / name,
                config=self.config,
                stage=name,
                display=self.progress,
            )
            counts |= {"episodes": len(episodes), "successful": len(successes(episodes))}
            if given_up := len(stalled(episodes)):
                counts["stalled"] = given_up
        return episodes

    def fit_options(self, stage: Stage, *, batch: int) -> FitOptions:
        """Return how a stage trains; ``batch`` in episodes."""
        return FitOptions(
            name=stage.name,
            steps=stage.updates,
            batch=batch,
            seed=self.seed(stage.name),
            save_every=self.config.save_every,
            log_every=self.config.log_every,
            run=self.run_dir.path,
            report_to=self.config.report_to,
            progress=self.progress,
            max_length=self.config.model.max_length,
            checkpointing=self.config.model.checkpointing,
        )

    def save(
        self,
        name: str,
        policy: PreTrainedModel,
        value: ValueModel | None,
        renderer: Renderer,
    ) -> None:
        """Write a finished model."""
        save_checkpoint(
            self.checkpoint(name),
            policy=policy,
            value=value,
            tokenizer=renderer.tokenizer,
            meta=CheckpointMeta(
                method=name,
                seed=self.config.seed,
                versions=self.config.plugin.versions(),
                chat=renderer.style,
                prompt_cuts=self.config.plugin.prompt_cuts,
            ),
        )

    def checkpoint(self, name: str) -> Path:
        """Return where a finished model lies."""
        return self.run_dir.path / "checkpoints" / name

    def seed(self, purpose: str) -> int:
        """Return the seed of one purpose."""
        return derive_seed(self.config.seed, purpose) % 2**31

    def render(
        self, renderer: Renderer, episodes: Sequence[Episode], *, imitate: bool = False
    ) -> list[RenderedEpisode]:
        """Render episodes; those too long for the model are dropped, and counted.

        Raises:
            ConfigError: All of them are.
        """
        limit = self.config.model.max_length
        # Where only the random agent played, its turns distract from nothing.
        imitate = imitate and not by_chance(episodes)
        rendered = [renderer.render(e, max_length=limit, imitate=imitate) for e in episodes]
        kept = [episode for episode in rendered if not episode.truncated]
        if rendered and not kept:
            shortest = min(len(renderer.render(e, imitate=imitate).token_ids) for e in episodes)
            raise ConfigError(
                f"all {len(rendered)} episodes are longer than model.max_length = {limit} tokens.",
                f"Raise it: the shortest has {shortest}.",
            )
        if len(kept) < len(rendered):
            dropped = len(rendered) - len(kept)
            self.progress.note(f"{dropped} episodes longer than {limit} tokens were left out")
        return kept
