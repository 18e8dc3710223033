"""Grading: what counts as the same answer, and that no answer can hurt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oreo_agent.envs.math.grading import LONGEST_ANSWER, Verdict, grade
from oreo_agent.envs.math.judge_client import Judge

TOWER = "9^{9^{9^{9}}}"


@pytest.fixture(scope="module")
def quick_judge() -> Iterator[Judge]:
    """A judge with half a second for each answer."""
    judge = Judge(limit=0.5)
    yield judge
    judge.close()


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("1080", "1,080"),
        ("$1080.00", "1080"),
        ("-3", "\u22123"),
        ("12 apples", "12"),
        ("12\\text{ cm}", "12"),
        ("12 cm", "$12$"),
        ("50%", "0.5"),
        ("50\\%", "50"),
        ("0.5", "50%"),
        ("0.333333", "\\frac{1}{3}"),
        ("1/2", "0.5"),
        ("\\dfrac12", "\\frac{1}{2}"),
        ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"),
        ("x = 5", "5"),
        ("2, 1", "\\{1, 2\\}"),
        ("(1, 2)", "\\left( 1, 2 \\right)"),
        ("[0,\\infty)", "[0, \\infty)"),
        ("(x+1)^2", "x^2 + 2x + 1"),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
        ("\\text{Monday}", "Monday"),
    ],
)
def test_the_same_answer_in_other_writing_is_right(answer: str, gold: str) -> None:
    assert grade(answer, gold) is Verdict.RIGHT


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("1081", "1,080"),
        ("3", "-3"),
        ("", "0"),
        ("0", "0.0000001"),
        ("12", "12.5"),
        ("5000", "50%"),
        ("2 million", "2"),
        ("2 dozen", "2"),
        ("\\frac{1}{3}", "0.5"),
        ("(2, 1)", "(1, 2)"),
        ("x + 1", "x + 2"),
        ("\\text{Tuesday}", "Monday"),
        ("1, 2, 3", "1, 2"),
        ("none", "7"),
    ],
)
def test_another_answer_is_wrong(answer: str, gold: str) -> None:
    assert grade(answer, gold) is Verdict.WRONG


@pytest.mark.parametrize("answer", ["{" * 300, "5}{", "1+" * LONGEST_ANSWER])
def test_an_answer_that_cannot_be_read_is_said_to_be_so(answer: str) -> None:
    assert grade(answer, "5") is Verdict.UNREADABLE


def test_an_endless_calculation_is_cut_off_by_its_time_limit(quick_judge: Judge) -> None:
    assert grade("\\frac{1}{2}", "0.5", judge=quick_judge) is Verdict.RIGHT  # it has started
    begun = time.monotonic()
    assert grade(TOWER, "5", judge=quick_judge) is Verdict.TIMEOUT
    assert time.monotonic() - begun < 30
    assert grade("\\frac{1}{2}", "0.5", judge=quick_judge) is Verdict.RIGHT


def test_the_time_limit_holds_in_a_thread(quick_judge: Judge) -> None:
    with ThreadPoolExecutor(2) as threads:
        cases = [(TOWER, "5"), ("\\frac{2}{4}", "\\frac{1}{2}")]
        verdicts = list(threads.map(lambda case: grade(*case, judge=quick_judge), cases))
    assert verdicts == [Verdict.TIMEOUT, Verdict.RIGHT]


def test_an_answer_is_never_run_as_python(tmp_path: Path, quick_judge: Judge) -> None:
    harmless = tmp_path / "harmless"
    mark = tmp_path / "ran"
    code = f"__import__('pathlib').Path({str(harmless)!r}).touch()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert harmless.exists()
    code = code.replace(str(harmless), str(mark))
    for text in (code, f"({code})", f"1+{code}", f"\\text{{{code}}}", f"${code}$"):
        grade(text, "\\frac{1}{2}", judge=quick_judge)
        grade("\\frac{1}{2}", text, judge=quick_judge)
    assert not mark.exists()


def test_a_judge_that_was_killed_is_started_again(quick_judge: Judge) -> None:
    assert grade("x+x", "2x", judge=quick_judge) is Verdict.RIGHT
    (child,) = _judges(quick_judge)
    child.kill()
    child.wait(5)
    grade("x+x", "2x", judge=quick_judge)
    assert grade("x+x", "2x", judge=quick_judge) is Verdict.RIGHT


def test_an_interrupted_comparison_does_not_answer_the_next_one(quick_judge: Judge) -> None:
    assert grade("\\frac{1}{2}", "0.5", judge=quick_judge) is Verdict.RIGHT  # it has started
    (child,) = _judges(quick_judge)
    child.suspend()

    def interrupt(*_: object) -> None:
        child.resume()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            grade("x+x", "2x", judge=quick_judge)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert grade("x+1", "2x", judge=quick_judge) is Verdict.WRONG
    assert _judges(quick_judge) == [child]


def test_a_judge_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from oreo_agent.envs.math.judge_client import shared_judge\n"
        "judge = shared_judge(); judge.same('x', 'x')\n"
        "print(judge.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_plain_numbers_need_no_judge() -> None:
    judge = Judge()
    assert grade("12", "12.0", judge=judge) is Verdict.RIGHT
    assert grade("13", "12.0", judge=judge) is Verdict.WRONG
    assert judge.process.launches == 0


LATEX = (
    r"0 1 12 -3 1.5 1,000 x y \frac{1}{2} \frac { } ( ) [ ] \{ \} ^ _ ^{2} \sqrt \sqrt{2} \pi"
    r" \infty + - * / = < > \le , ; : $ % \% ! \int \sum \lim \log \sin \text{ \text{cm} & \\ e i"
    r" \boxed{ \boxed{3} #### \begin{pmatrix} \end{pmatrix} \left( \right) \cup \cdot \mod | \ "
    r"\binom{5}{2} and or eval( __import__ \unknown"
    r" 1e3 0.\overline{3} _5 _{2} \circ ... \, cm^2 m/s"
)
FRAGMENTS = st.sampled_from(
    [*LATEX.split(), "\n", "\x00", "\u202e", "\ud800", "∞", "²", "½", "√", "°", "**"]
)
MANGLED = st.one_of(
    st.lists(FRAGMENTS, max_size=12).map("".join),
    st.lists(FRAGMENTS, max_size=12).map(" ".join),
    st.text(max_size=60),
)
GOLDS = st.sampled_from(["5", "\\frac{1}{2}", "x^2+1", "\\{1,2\\}", "[0,1)", "\\text{A}", "50\\%"])


def _survives(answer: str, gold: str, judge: Judge) -> None:
    verdict = grade(answer, gold, judge=judge)
    assert verdict in Verdict


@given(MANGLED, GOLDS)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_mangled_answers_raise_nothing(quick_judge: Judge, answer: str, gold: str) -> None:
    _survives(answer, gold, quick_judge)


@pytest.mark.slow
@given(MANGLED, GOLDS)
@settings(
    max_examples=5000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_five_thousand_mangled_answers_raise_nothing(
    quick_judge: Judge, answer: str, gold: str
) -> None:
    _survives(answer, gold, quick_judge)


def _judges(judge: Judge) -> list[psutil.Process]:
    return [psutil.Process(judge.process.pid)]
