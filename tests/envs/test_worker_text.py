"""Text goes through a worker unchanged, whatever it holds; what JSON cannot say is a fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oreo_agent.envs import StepResult
from oreo_agent.envs.worker.pool import EnvFault, WorkerPool

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07",  # clears, renames, fills the clipboard
    "[bold red]markup[/] [@click=app.quit]here[/]",
    "\u202egnp.exe \u200b\u2066 \ufeff",
    '{"call": 1, "fault": {"type": "EnvError"}}',
    "\x00\x01\x02\r\n\x7f\x85\u2028",
    "\U0001f3e0 e\u0301 \uffff \U0010ffff",
    "x" * 300_000,
)


@pytest.fixture(scope="module")
def echo() -> Iterator[WorkerPool]:
    with WorkerPool("tests.envs.scripted_envs:Echo", processes=1) as pool:
        pool.reset({0: ("a", 0), 1: ("a", 0)})
        yield pool


def _said(pool: WorkerPool, text: str) -> None:
    answer = pool.step({0: text})[0]
    assert isinstance(answer, StepResult)
    seen = answer.observation
    assert (seen.text, seen.goal, seen.admissible) == (text, text, (text,))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_data_and_reaches_no_terminal(
    echo: WorkerPool, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _said(echo, text)
    assert capfd.readouterr() == ("", "")


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_comes_back_unchanged(echo: WorkerPool, text: str) -> None:
    _said(echo, text)


@given(st.text(min_size=0), st.sampled_from(["\ud800", "\udfff", "\udc80"]), st.text())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_half_a_surrogate_pair_is_a_fault_and_moves_no_other_slot(
    echo: WorkerPool, before: str, half: str, after: str
) -> None:
    answers = echo.step({0: before + half + after, 1: "whole"})
    assert isinstance(answers[0], EnvFault)
    assert "surrogate" in answers[0].message
    assert isinstance(answers[1], StepResult)


@pytest.mark.parametrize("action", ["nan", "list"])
def test_an_answer_that_breaks_the_contract_is_a_fault_and_the_worker_lives(action: str) -> None:
    with WorkerPool("tests.envs.scripted_envs:Nameless", processes=1) as pool:
        pool.reset({0: ("a", 0), 1: ("a", 0)})
        answers = pool.step({0: action, 1: "fine"})
        assert isinstance(answers[0], EnvFault)
        assert "breaks its contract" in answers[0].message
        assert not answers[0].lost
        assert isinstance(answers[1], StepResult)
        assert isinstance(pool.step({1: "fine"})[1], StepResult)
