from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.errors import MissingError
from oreo_agent.session import EventKind, Session
from oreo_agent.session.worker_thread import Broken, Happened, Notice, Report, SessionDriver
from tests.tui.scripted_world import ScriptedAgent, ScriptedEnv, session_factory


def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.005)


def drive(agent: ScriptedAgent | None = None) -> tuple[SessionDriver, list[Report], ScriptedEnv]:
    env, reports = ScriptedEnv(), list[Report]()
    driver = SessionDriver(session_factory(env, agent or ScriptedAgent(), None), reports.append)
    driver.start()
    return driver, reports, env


def kinds(reports: list[Report]) -> list[EventKind]:
    return [report.event.kind for report in reports if isinstance(report, Happened)]


def test_commands_are_done_in_order_and_the_agent_is_asked_after_each() -> None:
    driver, reports, env = drive()
    driver.step()
    driver.take_over("look")
    wait(lambda: kinds(reports).count(EventKind.PROPOSED) == 3)
    assert driver.close(timeout=5)
    asked = [EventKind.PROPOSED, EventKind.STEPPED]
    assert kinds(reports) == [EventKind.STARTED, *asked, *asked, EventKind.PROPOSED]
    assert env.is_closed


def test_running_stops_at_the_end_of_the_episode() -> None:
    driver, reports, _ = drive()
    driver.change_speed(99)
    driver.toggle_run()
    wait(lambda: EventKind.ENDED in kinds(reports))
    assert driver.close(timeout=5)


def test_a_choice_made_while_the_agent_thinks_is_what_was_shown() -> None:
    gate = threading.Event()

    class Thinker(ScriptedAgent):
        def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
            gate.wait(10)
            return super().act(requests)

    driver, reports, _ = drive(Thinker())
    wait(lambda: EventKind.STARTED in kinds(reports))
    shown = next(r for r in reports if isinstance(r, Happened)).event.state
    driver.choose(shown.options[1].action, len(shown.episode.turns))
    gate.set()
    wait(lambda: EventKind.STEPPED in kinds(reports))
    assert driver.close(timeout=5)
    state = [r for r in reports if isinstance(r, Happened)][-1].event.state
    assert state.episode.turns[0].executed.action == shown.options[1].action == "look"


def test_closing_releases_a_thread_that_waits_for_a_command() -> None:
    driver, reports, env = drive()
    wait(lambda: EventKind.PROPOSED in kinds(reports))
    assert driver.close(timeout=5)
    assert env.is_closed


def test_nothing_is_told_after_closing_and_a_long_call_does_not_hold_the_caller() -> None:
    gate = threading.Event()

    def slow(progress: Callable[[str], None]) -> Session:
        gate.wait(10)
        return session_factory(ScriptedEnv(), ScriptedAgent(), None)(progress)

    reports: list[Report] = []
    driver = SessionDriver(slow, reports.append)
    driver.start()
    assert not driver.close(timeout=0.05)
    gate.set()
    wait(lambda: driver.close(timeout=0.1))
    assert reports == []


def test_a_session_that_cannot_be_made_is_reported_with_its_cure() -> None:
    def missing(_: Callable[[str], None]) -> Session:
        raise MissingError("no model here.", "Train one.")

    reports: list[Report] = []
    driver = SessionDriver(missing, reports.append)
    driver.start()
    wait(lambda: reports)
    assert isinstance(reports[0], Broken)
    assert driver.broken is reports[0].error
    assert str(driver.broken) == "no model here. Train one."


def test_an_unexpected_failure_while_loading_keeps_its_cause() -> None:
    def broken(_: Callable[[str], None]) -> Session:
        raise ZeroDivisionError("weights")

    reports: list[Report] = []
    driver = SessionDriver(broken, reports.append)
    driver.start()
    wait(lambda: reports)
    assert "ZeroDivisionError: weights" in str(driver.broken)
    assert driver.broken is not None
    assert isinstance(driver.broken.__cause__, ZeroDivisionError)


def test_a_command_that_cannot_be_done_is_a_notice(tmp_path: Path) -> None:
    driver, reports, _ = drive()
    driver.undo_to(3)
    (tmp_path / "file").write_text("")
    driver.step()
    driver.save(tmp_path / "file")
    wait(lambda: sum(isinstance(report, Notice) for report in reports) == 2)
    assert driver.close(timeout=5)
    texts = [report.text for report in reports if isinstance(report, Notice)]
    assert "no turn 3" in texts[0]
    assert "cannot be written" in texts[1]
