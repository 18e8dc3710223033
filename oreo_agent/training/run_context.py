"""A run's surroundings, which every stage is given: settings, folder, world, seeds and paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from oreo_agent.agents.protocol import Agent
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Episode
from oreo_agent.errors import ConfigError
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.checkpoints import CheckpointMeta, save_checkpoint
from oreo_agent.models.rendered import RenderedEpisode
from oreo_agent.models.rendering import Renderer
from oreo_agent.rollout import Job
from oreo_agent.training.config import RunConfig
from oreo_agent.training.episode_filters import by_chance, successes
from oreo_agent.training.learn import Fit
from oreo_agent.training.progress_callback import Display
from oreo_agent.training.run_dir import RunFolder
from oreo_agent.training.stages import Games, derive_seed, play
from oreo_agent.training.worlds import World

__all__ = ["Workspace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What the stages of one run share."""

    config: RunConfig
    folder: RunFolder
    display: Display
    world: World
    versions: dict[str, str]
    pool: WorkerPool
    games: Games

    def play(self, agent: Agent, jobs: list[Job], name: str) -> list[Episode]:
        """Let an agent play into ``episodes/NAME``; timed, resumable."""
        counts: dict[str, int] = {}
        with self.folder.timed(name, counts=counts):
            episodes = play(
                self.pool,
                agent,
                jobs,
                self.folder.path / "episodes" / name,
                wave=self.config.rollouts.wave,
                stage=name,
                versions=self.versions,
                display=self.display,
            )
            counts |= {"episodes": len(episodes), "successful": len(successes(episodes))}
        return episodes

    def render(
        self, renderer: Renderer, episodes: Sequence[Episode], *, imitate: bool = False
    ) -> list[RenderedEpisode]:
        """Render episodes; those too long for the model are dropped, and counted.

        Raises:
            ConfigError: All of them are.
        """
        limit = self.config.model.max_length
        # Where nobody but the random agent played, its turns distract from nothing.
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
            self.display.note(f"{dropped} episodes longer than {limit} tokens were left out")
        return kept

    def fit(self, name: str, *, steps: int, batch: int) -> Fit:
        """Return how a stage fits its model; ``batch`` in episodes."""
        return Fit(
            name=name,
            steps=steps,
            batch=batch,
            seed=self.seed(name),
            save_every=self.config.save_every,
            log_every=self.config.log_every,
            work=self.folder.path / "training" / name,
            metrics=self.folder.path / "metrics" / f"{name}.jsonl",
            logs=self.folder.path / "logs" / name,
            report_to=self.config.report_to,
            display=self.display,
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
                versions=self.versions,
                chat=renderer.style,
            ),
        )

    def checkpoint(self, name: str) -> Path:
        """Return where a finished model lies."""
        return self.folder.path / "checkpoints" / name

    def seed(self, purpose: str) -> int:
        """Return the seed of one purpose."""
        return derive_seed(self.config.seed, purpose) % 2**31
