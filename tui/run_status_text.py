"""How a run stands, in words: for the screen's status line and for plain lines."""

from __future__ import annotations

from oreo_agent.monitoring.run_status import RunCondition, RunStatus
from oreo_agent.tui.widgets.stage_list import clock

_QUIET_SECONDS = 30.0
"""Without news for longer than this, it is said for how long."""
_GO_ON = "The same command with --resume goes on with it."
_ENDINGS = {
    RunCondition.STOPPED: "The run was stopped before its end.",
    RunCondition.KILLED: "The run's process is gone: it was killed, or the machine went down.",
}


def standing(view: RunStatus, now: float) -> tuple[str, ...]:
    """Return how a run stands, fact by fact; ``now`` is in seconds since 1970."""
    if view.condition is RunCondition.WAITING:
        return ("nothing is written yet",)
    stage = view.stage(view.present)
    facts: list[str] = [view.condition.value]
    if stage is not None and view.condition is not RunCondition.DONE:
        how_far = f" {stage.done}/{stage.total}" if stage.total else ""
        facts.append(f"{stage.name}{how_far}")
        if stage.seconds is not None:
            facts.append(clock(stage.seconds))
        if view.condition is RunCondition.RUNNING and view.per_second and stage.total > stage.done:
            facts.append(f"about {clock((stage.total - stage.done) / view.per_second)} to go")
    if view.condition is RunCondition.DONE:
        spent = sum(stage.seconds or 0.0 for stage in view.stages)
        facts.append(f"in {clock(spent)}")
    quiet = now - view.updated if view.updated is not None else 0.0
    if view.condition is RunCondition.RUNNING and quiet > _QUIET_SECONDS:
        facts.append(f"no news for {clock(quiet)}")
    return tuple(facts)


def ending(view: RunStatus) -> tuple[str | None, str]:
    """Return why a run ended before its end and what helps; None where it did not."""
    if not view.condition.can_go_on:
        return None, ""
    return _ENDINGS.get(view.condition, view.error or "The run failed."), _GO_ON
