"""What each stage of a run does. Every stage is resumable: a finished one is only read again.

In the first round the current policy is SFT's, later that of OREO after the round before. Every
method learns from the same rollouts, and continues from its own policy of the round before. Rounds
after the first append ``-roundN`` to the names of their stages, checkpoints and episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec
from transformers import PreTrainedModel

from oreo_agent.agents.expert import load_expert
from oreo_agent.agents.language_model import load_agent
from oreo_agent.files import write_whole
from oreo_agent.learning.fitting import TrainingJob
from oreo_agent.learning.methods import METHODS
from oreo_agent.models.checkpoints import load_checkpoint
from oreo_agent.models.prompt_text import PromptText
from oreo_agent.training.base_model import starting_model
from oreo_agent.training.episode_filters import (
    apart_from,
    hold_out,
    need,
    stalled,
    successes,
    texts,
    with_return,
)
from oreo_agent.training.method_names import result_title, round_name
from oreo_agent.training.report import markdown, write_plots
from oreo_agent.training.results import MethodResult, RunResults
from oreo_agent.training.run_context import RunContext
from oreo_agent.training.run_dir import Finished, write_result
from oreo_agent.training.stage_plan import Stage, StageKind, learners_of
from oreo_agent.training.stages import Games, choose_games, evaluate_agent, jobs_for


def choose(run: RunContext, stage: Stage) -> None:
    """Choose the tasks; logged episodes of held-out ones are left out."""
    games = run.run_dir.done(stage.name, Games)
    if games is None:
        games = choose_games(run.pool, run.config)
        shown = sorted((run.shown_before or frozenset()).intersection(games.train))
        games = msgspec.structs.replace(games, demonstrated=shown)
        if run.start is not None and run.shown_before is None and _plays_new_games(run):
            run.progress.note(
                "which games were demonstrated to the checkpoint is not known: rollouts are of all"
            )
        run.run_dir.finish(stage.name, games)
    run.games = games
    if run.logged is not None:
        held_out = {task for tasks in games.held_out.values() for task in tasks}
        run.logged = run.rollouts[1] = apart_from(run.logged, held_out, run.progress)


def demonstrate(run: RunContext, stage: Stage) -> None:
    """Let the expert play training games, or the validation games once."""
    if run.run_dir.is_done("sft"):
        return  # nothing else learns from demonstrations
    section, tasks, per_game = run.config.demonstrations, run.games.validation, 1
    if stage.kind is StageKind.DEMONSTRATIONS:
        tasks, per_game = run.games.train[: section.games or None], section.per_game
    agent = load_expert(
        run.config.plugin, run.config.options(), noise=section.noise, per_episode=True
    )
    jobs = jobs_for(tasks, split="train", per_game=per_game, seed=(run.seed(stage.name),))
    run.demonstrated[stage.kind] = successes(run.play(agent, jobs, stage.name))


def learn_start(run: RunContext, stage: Stage) -> None:
    """Learn the starting policy from demonstrations or logged successes, or keep the one given."""
    if run.run_dir.is_done(stage.name):
        return
    if run.start is not None:
        with run.run_dir.timed(stage.name):
            run.save(stage.name, run.start.policy, run.start.value, run.start.renderer)
        return
    config, plugin = run.config, run.config.plugin
    if run.logged is None:
        shown = run.demonstrated[StageKind.DEMONSTRATIONS]
        checked = run.demonstrated[StageKind.VALIDATION]
        need(shown, "the expert won no game", "Lower demonstrations.noise or add games.")
    else:
        shown, checked = hold_out(successes(run.logged), run.plan.validation)
    with run.run_dir.timed(stage.name):
        policy, renderer = starting_model(
            config.model,
            texts(shown if run.logged is None else run.logged, PromptText(plugin.prompt_cuts)),
            plugin,
            seed=run.seed("weights"),
        )
        job = TrainingJob(
            policy=policy,
            episodes=shown,
            validation=checked,
            renderer=renderer,
            render=partial(run.render, renderer),
            options=run.fit_options(stage, batch=config.sft.batch),
        )
        learned = METHODS[stage.method].fit(job, config.sft)
        run.save(stage.name, learned.policy, None, renderer)


def collect_rollouts(run: RunContext, stage: Stage) -> None:
    """Let the current policy play training games, those first that were not demonstrated."""
    section, train = run.config.rollouts, run.games.train
    new = train
    if _plays_new_games(run):
        count = run.config.demonstrations.games if run.start is None else 0
        known = {*train[:count], *run.games.demonstrated}
        new = [task for task in train if task not in known]
    current = "sft" if stage.round == 1 else round_name("oreo", stage.round - 1)
    agent = load_agent(
        run.checkpoint(current),
        temperature=section.temperature,
        max_tokens=run.plan.max_tokens,
    )
    jobs = jobs_for(
        new or train,
        split="train",
        per_game=section.per_game,
        seed=(run.seed(stage.name),),
        patience=section.patience or None,
    )
    run.rollouts[stage.round] = with_return(run.play(agent, jobs, stage.name), run.progress)


def _plays_new_games(run: RunContext) -> bool:
    """Return whether games that were demonstrated are left out of the rollouts."""
    return run.logged is None and run.config.rollouts.games == "new"


def learn(run: RunContext, stage: Stage) -> None:
    """Train one method on the rollouts, from its own policy of the round before."""
    if run.run_dir.is_done(stage.name):
        return
    method, settings = METHODS[stage.method], run.config.of_method(stage.method)
    settings = settings.in_round(stage.round, run.config.rounds.lr_factor)
    episodes = run.training_episodes(stage.round)
    counts = {"episodes": len(episodes), "successful": len(successes(episodes))}
    with run.run_dir.timed(stage.name, counts=counts):
        before = _start_of(run, stage.method, stage.round)
        start = load_checkpoint(run.checkpoint(before))
        value = start.value if method.trains_value else None
        if method.trains_value and stage.round == 1 and before != "sft":
            # A method without a value model came first; the given checkpoint may have one.
            value = load_checkpoint(run.checkpoint("sft")).value
        job = TrainingJob(
            policy=start.policy,
            value=value,
            reference=_kept_reference(run, stage),
            episodes=episodes,
            renderer=start.renderer,
            render=partial(run.render, start.renderer),
            options=run.fit_options(stage, batch=run.config.oreo.batch),
        )
        learned = method.fit(job, settings)
        counts |= learned.counts
        if note := _idle_note(stage.method, stage.round, counts):
            run.progress.note(note)
        run.save(stage.name, learned.policy, learned.value, start.renderer)


def evaluate(run: RunContext, stage: Stage) -> None:
    """Play the held-out games with one method's policy."""
    result = run.run_dir.done(stage.name, MethodResult)
    if result is None:
        section = run.config.evaluation
        agent = load_agent(
            run.checkpoint(round_name(stage.method, stage.round)),
            temperature=1.0 if stage.sampled else section.temperature,
            restricted=section.restricted,
            max_tokens=run.plan.max_tokens,
        )
        with run.run_dir.timed(stage.name, mark=False):
            result = evaluate_agent(
                run.pool,
                agent,
                run.games.held_out,
                run.run_dir.path / "episodes" / stage.name,
                config=run.config,
                method=stage.result,
                seed=run.plan.seed,
                display=run.progress,
            )
        run.run_dir.finish(stage.name, result)
    run.results.append(result)


def report(run: RunContext, stage: Stage) -> None:
    """Write ``results.json``, ``report.md`` and the plots."""
    folder, held_out = run.run_dir.path, run.games.held_out
    missing = [f"there were no {s} games" for s in run.plan.held_out if not held_out.get(s)]
    results = RunResults(
        seed=run.config.seed,
        source=run.plan.source,
        methods=run.results,
        seconds=run.run_dir.seconds(),
        decoding=_decoding(run),
        notes=[*_meaning_of_sft(run), *missing, *_round_notes(run)],
    )
    write_result(folder / "results.json", results)
    write_plots(results, folder / "metrics", folder / "plots")
    write_whole(folder / "report.md", markdown([results], command=run.command).encode())
    run.finished = results


RUNNERS: Mapping[StageKind, Callable[[RunContext, Stage], None]] = {
    StageKind.GAMES: choose,
    StageKind.DEMONSTRATIONS: demonstrate,
    StageKind.VALIDATION: demonstrate,
    StageKind.SFT: learn_start,
    StageKind.ROLLOUTS: collect_rollouts,
    StageKind.LEARN: learn,
    StageKind.EVALUATE: evaluate,
    StageKind.REPORT: report,
}


def _start_of(run: RunContext, method: str, round_: int) -> str:
    """Return the name of the checkpoint that a method starts from in a round."""
    if round_ > 1:
        return round_name(method, round_ - 1)
    return run.config.of_method(method).starts_from


def _kept_reference(run: RunContext, stage: Stage) -> PreTrainedModel | None:
    """Return the first start where it stays the reference, None where that of a round is it."""
    if stage.round == 1 or run.config.rounds.reference == "start":
        return None
    return load_checkpoint(run.checkpoint(_start_of(run, stage.method, 1))).policy


def _idle_note(method: str, round_: int, counts: Mapping[str, int]) -> str | None:
    """Return the note for a method that learnt nothing in a round, or None."""
    reason = METHODS[method].idle_reason(counts)
    before = "SFT" if round_ == 1 else "last round's"
    title = result_title(round_name(method, round_))
    return f"{reason}: {title} is the {before} policy unchanged" if reason else None


def _round_notes(run: RunContext) -> Iterator[str]:
    rounds = run.config.rounds.count
    for number in range(1, rounds + 1):
        if rounds > 1:
            episodes = run.rollouts[number]
            won = len(successes(episodes))
            yield f"round {number}: {won} of {len(episodes)} rollouts were won"
        if given_up := len(stalled(run.rollouts[number])):
            played, patience = len(run.rollouts[number]), run.config.rollouts.patience
            yield (
                f"{given_up} of {played} rollouts of round {number} stalled: given up after"
                f" {patience} equal answers"
            )
        for method in learners_of(run.config.methods):
            mark = run.run_dir.done(round_name(method, number), Finished)
            if mark is not None and (note := _idle_note(method, number, mark.counts)):
                yield note
            if rounds > 1 and (drift := _drift(run, round_name(method, number))):
                yield drift


def _drift(run: RunContext, name: str) -> str | None:
    """Return how far a policy was from its reference at the end of a round, where it has one."""
    path = run.run_dir.path / "metrics" / f"{name}.jsonl"
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    last = next((row for row in reversed(rows) if "kl" in row and "unseen_mass" in row), None)
    if last is None:
        return None
    figures = f"KL {last['kl']:.4f} nats a token, unseen mass {last['unseen_mass']:.1%}"
    return f"{result_title(name)} ended at {figures}"


def _decoding(run: RunContext) -> str:
    section = run.config.evaluation
    kind = "greedy" if section.temperature == 0 else f"temperature-{section.temperature:g}"
    restricted = ", restricted to admissible actions" if section.restricted else ""
    return f"{'' if restricted else 'free '}{kind} decoding{restricted}"


def _meaning_of_sft(run: RunContext) -> list[str]:
    """Return a note on the first row, where it is not SFT."""
    if run.start is None or run.start.meta.method == "sft":
        return []
    return [
        f"SFT stands for the checkpoint that it started from, trained by {run.start.meta.method}"
    ]
