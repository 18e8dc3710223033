"""One round: rollouts of the current policy, every method's learning from them, evaluation.

In the first round the current policy is SFT's, later that of OREO after the round before. Every
method learns from the same rollouts, and goes on from its own policy of the round before. Rounds
after the first append ``-roundN`` to the names of their stages, checkpoints and episodes.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from oreo_agent.agents.language_model import load_agent
from oreo_agent.episodes.record import Episode
from oreo_agent.learning.pairs import correction_pairs, preference_pairs
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.training.config import DPOSection
from oreo_agent.training.episode_filters import successes, with_return
from oreo_agent.training.learn import fit_dpo, fit_kto, fit_oreo, fit_sft
from oreo_agent.training.methods import Method, method_name, round_name
from oreo_agent.training.results import MethodResult
from oreo_agent.training.run_context import Workspace
from oreo_agent.training.run_dir import Finished
from oreo_agent.training.stages import evaluate_agent, jobs_for

__all__ = ["collect_rollouts", "evaluate_methods", "idle_notes", "learn_method"]

_NOTHING_WON = "no rollout was successful: {} is the {} policy unchanged"
_NO_PAIR = "no task was both won and lost: {} is the {} policy unchanged"


def collect_rollouts(work: Workspace, round_: int, *, demonstrated: bool) -> list[Episode]:
    """Let the current policy play training games, those first that were not demonstrated.

    Args:
        work: The run.
        round_: From 1.
        demonstrated: Whether the SFT policy was shown games at all.
    """
    section, train = work.config.rollouts, work.games.train
    shown = work.config.demonstrations.games if demonstrated and section.games == "new" else 0
    name = round_name("rollouts", round_)
    agent = load_agent(
        work.checkpoint("sft" if round_ == 1 else round_name(Method.OREO, round_ - 1)),
        temperature=section.temperature,
        max_tokens=work.world.max_tokens,
    )
    jobs = jobs_for(
        train[shown:] or train,
        split="train",
        per_game=section.per_game,
        seed=(work.seed(name),),
        patience=section.patience or None,
    )
    return with_return(work.play(agent, jobs, name), work.display)


def learn_method(work: Workspace, method: Method, round_: int, rollouts: Sequence[Episode]) -> None:
    """Train one method on the rollouts, from its own policy of the round before."""
    name = round_name(method, round_)
    if work.folder.is_done(name):
        return
    config = work.config
    counts = {"episodes": len(rollouts), "successful": len(successes(rollouts))}
    with work.folder.timed(name, counts=counts):
        before = _before(work, method, round_)
        start = load_checkpoint(work.checkpoint(before))
        reference = _kept_reference(work, method, round_)
        renderer = start.renderer
        fit = work.fit(name, steps=config.oreo.steps, batch=config.oreo.batch)
        policy, value = start.policy, None
        if method is Method.REJECTION:
            if won := successes(rollouts):
                rendered = work.render(renderer, won, imitate=True)
                policy = fit_sft(policy, rendered, fit, lr=config.rejection.lr)
        else:
            rendered = work.render(renderer, rollouts)
            if method.is_oreo:
                value = start.value
                if before == Method.REJECTION:  # which has none, but the checkpoint given may
                    value = load_checkpoint(work.checkpoint("sft")).value
                policy, value = fit_oreo(
                    policy, value, rendered, fit, config.oreo, method, reference=reference
                )
            elif method is Method.KTO:
                policy = fit_kto(policy, rendered, fit, config.kto, reference=reference)
            else:
                section = _dpo_section(work, method)
                per_task = section.pairs_per_task
                corrections = correction_pairs(rollouts, renderer)
                pairs = preference_pairs(rendered, per_task=per_task, seed=fit.seed)
                counts["pairs"] = len(pairs) + len(corrections)
                if counts["pairs"]:
                    policy = fit_dpo(
                        policy, rendered, fit, section, corrections=corrections, reference=reference
                    )
        if note := _idle(method, round_, counts):
            work.display.note(note)
        work.save(name, policy, value, renderer)


def evaluate_methods(work: Workspace, methods: Sequence[Method], round_: int) -> list[MethodResult]:
    """Play the held-out games with the methods' policies of a round."""
    section = work.config.evaluation
    modes = [("", section.temperature)] + ([("@T=1", 1.0)] if section.sampled else [])
    found = []
    for method in methods:
        for suffix, temperature in modes:
            name = f"{round_name(method, round_)}{suffix}"
            result = work.folder.done(f"evaluate-{name}", MethodResult)
            if result is None:
                agent = load_agent(
                    work.checkpoint(round_name(method, round_)),
                    temperature=temperature,
                    restricted=section.restricted,
                    max_tokens=work.world.max_tokens,
                )
                with work.folder.timed(f"evaluate-{name}", mark=False):
                    result = evaluate_agent(
                        work.pool,
                        agent,
                        work.games.held_out,
                        work.folder.path / "episodes" / f"evaluate-{name}",
                        method=name,
                        seed=work.world.seed,
                        wave=work.config.rollouts.wave,
                        versions=work.versions,
                        display=work.display,
                    )
                work.folder.finish(f"evaluate-{name}", result)
            found.append(result)
    return found


def idle_notes(work: Workspace, methods: Sequence[Method], round_: int) -> list[str]:
    """Return which methods found nothing in a round to learn from."""
    notes = []
    for method in methods:
        mark = work.folder.done(round_name(method, round_), Finished)
        if mark is not None and (note := _idle(method, round_, mark.counts)):
            notes.append(note)
    return notes


def _idle(method: Method, round_: int, counts: dict[str, int]) -> str | None:
    """Return the words for a method that learnt nothing, or None."""
    title = method_name(round_name(method, round_))
    before = "SFT" if round_ == 1 else "last round's"
    if method is Method.REJECTION and counts.get("successful") == 0:
        return _NOTHING_WON.format(title, before)
    if counts.get("pairs") == 0:
        return _NO_PAIR.format(title, before)
    return None


def _before(work: Workspace, method: Method, round_: int) -> str:
    """Return whose policy a method goes on from."""
    if round_ > 1:
        return round_name(method, round_ - 1)
    return work.config.oreo.start if method.is_oreo else "sft"


def _kept_reference(work: Workspace, method: Method, round_: int) -> PreTrainedModel | None:
    """Return the first start where it stays the reference, None where that of a round is it."""
    if round_ == 1 or work.config.rounds.reference == "start":
        return None
    return load_checkpoint(work.checkpoint(_before(work, method, 1))).policy


def _dpo_section(work: Workspace, method: Method) -> DPOSection:
    return work.config.dpo if method is Method.DPO else work.config.dpo_nll
