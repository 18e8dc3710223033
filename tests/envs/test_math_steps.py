"""Steps and final answers of mathematical solutions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oreo_agent.envs.math.steps import Delimiter, balanced, final_answer, split_steps

MARKUP = st.text(alphabet="\\{}$#. \n,boxed and15", max_size=80)


def test_lines_are_steps() -> None:
    assert split_steps("2 + 3 = 5\n\n 5. 5 - 1 = 4 \n#### 4", Delimiter.NEWLINE) == (
        "2 + 3 = 5",
        "5. 5 - 1 = 4",
        "#### 4",
    )


def test_sentences_are_steps_where_that_is_asked_for() -> None:
    text = "Let $x = 2.$ Then $y = 1.5$. So\n$\\boxed{3}$."
    assert split_steps(text, Delimiter.SENTENCE) == (
        "Let $x = 2.$",
        "Then $y = 1.5$.",
        "So",
        "$\\boxed{3}$.",
    )


def test_nothing_is_cut_inside_braces() -> None:
    text = "So\n$\\boxed{\\begin{pmatrix} 1 \\\\\n2 \\end{pmatrix}. a}$.\nDone"
    assert split_steps(text, Delimiter.SENTENCE) == (
        "So",
        "$\\boxed{\\begin{pmatrix} 1 \\\\\n2 \\end{pmatrix}. a}$.",
        "Done",
    )


def test_braces_that_do_not_match_cut_as_if_they_were_not_there() -> None:
    assert split_steps("a {\nb\nc", Delimiter.NEWLINE) == ("a {", "b", "c")


@given(MARKUP, st.sampled_from(Delimiter))
def test_steps_hold_all_of_a_text_but_white_space(text: str, delimiter: Delimiter) -> None:
    steps = split_steps(text, delimiter)
    assert "".join("".join(steps).split()) == "".join(text.split())
    assert all(step == step.strip() != "" for step in steps)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("7 + 5 = 12", None),
        ("#### 12", "12"),
        ("####", ""),
        ("#### 11\n#### 12 ", "12"),
        (r"\boxed{11} is what I would have said before. \boxed{12}", "12"),
        (r"\boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"$\boxed 7$", "7"),
        (r"\fbox{7}", "7"),
        (r"\boxed{1} and \boxed{2}", "1,2"),
        (r"\boxed{3}, again \boxed{3}", "3"),
        (r"\boxed{7", None),
        (r"#### 7 \boxed{8", "7 \\boxed{8"),
        (r"#### \boxed{8}", "8"),
        (r"\boxed{8} #### 9", "9"),
        (r"\boxed{\{1\}}", r"\{1\}"),
    ],
)
def test_the_last_marker_holds_the_answer(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@given(MARKUP)
def test_a_final_answer_is_part_of_its_text(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or all(part in text for part in answer.split(","))


@given(MARKUP)
def test_boxing_any_balanced_text_gives_it_back(text: str) -> None:
    if balanced(text) and final_answer(text) is None and not text.endswith("\\"):
        assert final_answer(f"so \\boxed{{{text}}}") == text.strip()
