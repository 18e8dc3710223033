"""The policy that every method starts from: demonstrations and SFT, or what is given."""

from __future__ import annotations

from oreo_agent.episodes.record import Episode
from oreo_agent.models.checkpoints import Checkpoint
from oreo_agent.training.base_model import starting_model
from oreo_agent.training.episode_filters import hold_out, need, successes, texts
from oreo_agent.training.learn import fit_sft
from oreo_agent.training.run_context import Workspace
from oreo_agent.training.stages import jobs_for

__all__ = ["keep_start", "stage_sft"]


def stage_sft(work: Workspace, given: list[Episode] | None) -> None:
    """Learn the starting policy from demonstrations, or from the logged successes."""
    if work.folder.is_done("sft"):
        return
    config, world = work.config, work.world
    if given is None:
        shown, checked = _demonstrations(work)
    else:
        shown, checked = hold_out(successes(given), world.validation)
    with work.folder.timed("sft"):
        corpus = texts(shown if given is None else given)
        base = starting_model(
            config.model,
            corpus,
            spells_numbers=world.spells_numbers,
            seed=work.seed("weights"),
            env=world.env,
        )
        policy = fit_sft(
            base.policy,
            work.render(base.renderer, shown, imitate=True),
            work.fit("sft", steps=config.sft.steps, batch=config.sft.batch),
            lr=config.sft.lr,
            validation=work.render(base.renderer, checked, imitate=True),
        )
        work.save("sft", policy, None, base.renderer)


def keep_start(work: Workspace, start: Checkpoint) -> None:
    """Take a given checkpoint as the run's starting policy."""
    if not work.folder.is_done("sft"):
        with work.folder.timed("sft"):
            work.save("sft", start.policy, start.value, start.renderer)


def _demonstrations(work: Workspace) -> tuple[list[Episode], list[Episode]]:
    """Let the expert play; return its successes on training and on validation games."""
    section, games = work.config.demonstrations, work.games
    agent = work.world.expert(noise=section.noise, per_episode=True)
    chosen = games.train[: section.games] if section.games else games.train
    found = []
    for name, tasks, per_game in (
        ("demonstrations", chosen, section.per_game),
        ("validation", games.validation, 1),
    ):
        jobs = jobs_for(tasks, split="train", per_game=per_game, seed=(work.seed(name),))
        found.append(successes(work.play(agent, jobs, name)))
    need(found[0], "the expert won no game", "Lower demonstrations.noise or add games.")
    return found[0], found[1]
