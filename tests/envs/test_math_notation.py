"""Answers as people and models write them: what is the same, and what only looks so."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oreo_agent.envs.math.exact import read_value
from oreo_agent.envs.math.grading import Verdict, grade
from oreo_agent.envs.math.notation import normalised

SAME: dict[str, tuple[tuple[str, str], ...]] = {
    "mixed numbers": (
        ("5 1/4", "\\frac{21}{4}"),
        ("-2 3/4", "-\\frac{11}{4}"),
        ("5\\frac14", "5.25"),
        ("2\u00bd", "2.5"),
        ("1\u20442", "\\frac{1}{2}"),
        ("2\u03c0/3", "\\frac{2\\pi}{3}"),
        ("11\\frac{1}{2}", "11.5"),
        ("0.5", "\u00bd"),
    ),
    "typography": (
        ("\u00bd", "\\frac{1}{2}"),
        ("\u00be", "0.75"),
        ("2\u221a3", "2\\sqrt{3}"),
        ("\u221a12", "2\\sqrt{3}"),
        ("\u221a(x+1)", "\\sqrt{x+1}"),
        ("x\u00b2", "x^2"),
        ("x\u00b2+2x+1", "(x+1)^2"),
        ("10\u207b\u00b3", "0.001"),
        ("3\u00b74", "12"),
        ("3\u00d74", "12"),
        ("6\u00f72", "3"),
        ("{1, 2}", "\\{1,2\\}"),
        ("\\sqrt{2}\\cdot\\sqrt{2}", "2"),
        ("\u03c0", "\\pi"),
        ("50 %", "0.5"),
        ("\uff11\uff12", "12"),
        ("$5.00", "5"),
        ("x=5", "5"),
        ("3:45", "3:45"),
        ("-5", "\u22125"),
        ("\\frac{\\pi}{2}", "\u03c0/2"),
        ("8! ", "40320"),
        ("2^{10}", "1024"),
        ("3 + 4i", "3+4i"),
        ("\\pm 2", "\u00b12"),
        ("2, \u22122", "-2, 2"),
        ("\\text{(C)}", "C"),
        ("5 \\%", "5%"),
        ("\\dfrac{3}{4}", "0.75"),
        ("1/3", "0.333333"),
        ("\u20ac5", "5"),
        ("x^{2}y", "x\u00b2y"),
        ("\\sqrt[3]{8}", "2"),
        ("\u221b8", "2"),
        ("a\u00b7b", "ab"),
    ),
    "units and degrees": (
        ("45\u00b0", "45"),
        ("45^\\circ", "45\u00b0"),
        ("90 degrees", "90^{\\circ}"),
        ("37\u00b0C", "37"),
        ("5 cm^2", "5"),
        ("5 cm\u00b2", "5"),
        ("5\\text{ cm}^2", "5"),
        ("5 m/s", "5"),
        ("5 m/s^2", "5"),
        ("5 km/h", "5"),
        ("9.8 m/s\u00b2", "9.8"),
        ("5 square units", "5"),
        ("5\\,\\mathrm{cm}^3", "5"),
        ("5 kg/m^3", "5"),
        ("\\frac{1}{2} \\text{ cm}", "0.5"),
        ("2\\sqrt{3} cm", "2\\sqrt{3}"),
        ("2\u221a3 cm", "2\\sqrt{3}\\text{ cm}"),
        ("(1, 2)", "\\left(1,2\\right)"),
        ("5 dollars", "\\$5"),
        ("120 ft.", "120"),
        ("5 sq. ft.", "5"),
        ("18 mph", "18"),
    ),
    "sets and inequalities": (
        ("\u221e", "\\infty"),
        ("\u2212\u221e", "-\\infty"),
        ("(\u2212\u221e, 3]", "(-\\infty,3]"),
        ("x\\leq 3", "(-\\infty,3]"),
        ("(-\\infty,3]", "x\\leq 3"),
        ("x \u2264 3", "(-\u221e, 3]"),
        ("3 \\geq x", "(-\\infty,3]"),
        ("-1 < x \u2264 2", "(-1,2]"),
        ("(-1,2]", "-1<x\\le 2"),
        ("x > 1 or x < -1", "(-\\infty,-1)\\cup(1,\\infty)"),
        ("(-\\infty,-1)\\cup(1,\\infty)", "x<-1 \\text{ or } x>1"),
        ("x > -1 and x < 2", "(-1,2)"),
        ("x\\in[1,2)", "[1,2)"),
        ("[1,2)", "1\\leq x<2"),
        ("x \u2208 [1, 2)", "1\u2264x<2"),
        ("x \u2260 3", "(-\\infty,3)\\cup(3,\\infty)"),
        ("\u211d", "(-\\infty,\\infty)"),
        ("all real numbers", "\\mathbb{R}"),
    ),
    "Markdown and wrappings": (
        ("**73**", "73"),
        ("*73*", "73"),
        ("`73`", "73"),
        ("\\(73\\)", "73"),
        ("$$73$$", "73"),
        ("**Answer:** 73", "73"),
        ("**Answer: 73**", "73"),
        ("The answer is 73.", "73"),
        ("= 73", "73"),
        ("\\boxed{5}", "5"),
        ("\\text{Monday}", "**Monday**"),
        ("**(B)**", "(B)"),
    ),
    "bases": (
        ("__73__", "73"),
        ("12_5", "12_{5}"),
        ("12\u2085", "12_5"),
        ("12_{\\text{five}}", "12_5"),
        ("12 base 5", "12_5"),
        ("(12)_5", "12_5"),
        ("1011_2", "1011_{2}"),
        ("12", "12_7"),
        ("12_{10}", "12"),
    ),
    "thousands": (
        ("1 000", "1000"),
        ("1\u2009000", "1000"),
        ("1\u202f000\u202f000", "1000000"),
        ("1\\,000", "1000"),
        ("1,\\!000", "1000"),
        ("1'000", "1000"),
        ("100\u00a0000", "100,000"),
        ("\\$1,000", "1000"),
    ),
    "powers of ten": (
        ("1.5e3", "1500"),
        ("1.5E+3", "1500"),
        ("2e-3", "0.002"),
        ("1.5 \\times 10^3", "1500"),
        ("1.5 \u00d7 10\u00b3", "1500"),
        ("1e100", "10^{100}"),
        ("5e0", "5"),
    ),
    "repeating decimals": (
        ("0.\\overline{3}", "\\frac{1}{3}"),
        ("0.(3)", "1/3"),
        ("0.333...", "\\frac13"),
        ("0.3\\overline{6}", "\\frac{11}{30}"),
        ("0.1\\bar{6}", "\\frac{1}{6}"),
        ("0.\\dot{3}", "\\frac13"),
        ("0.142857142857...", "\\frac17"),
    ),
    "the empty set": (
        ("\\varnothing", "\\emptyset"),
        ("\u2205", "\\{\\}"),
        ("{}", "\\emptyset"),
        ("no solution", "\\emptyset"),
        ("\\text{no solution}", "\\emptyset"),
        ("the empty set", "\\varnothing"),
    ),
    "tiny differences": (("\\frac{2}{2^{99}}", "\\frac{1}{2^{98}}"),),
}

OTHER: dict[str, tuple[tuple[str, str], ...]] = {
    "bases": (
        ("12_5", "12_7"),
        ("1011_2", "1011_{10}"),
        ("1011_2", "1011"),
        ("12\u2085", "12\u2087"),
        ("12 base 5", "12 base 7"),
        ("12_{\\text{five}}", "12_{\\text{seven}}"),
        ("12_7", "9"),
        ("F_{16}", "15_{17}"),
        ("1A_{16}", "1B_{16}"),
    ),
    "tiny differences": (
        ("\\frac{1}{2^{98}}", "\\frac{1}{2^{99}}"),
        ("\\frac{1}{10^{20}}", "\\frac{1}{10^{21}}"),
        ("\\frac{10^{20}+1}{10^{20}}", "1"),
        ("\\sqrt{2}+10^{-20}", "\\sqrt{2}"),
        ("(0, \\frac{1}{2^{98}})", "(0, \\frac{1}{2^{99}})"),
        ("\\{1, \\frac{1}{2^{98}}\\}", "\\{1, \\frac{1}{2^{99}}\\}"),
        ("x = \\frac{1}{2^{98}}", "x=\\frac{1}{2^{99}}"),
        ("10^{-30}", "0"),
        ("10^{400}", "10^{401}"),
    ),
    "mixed numbers": (
        ("51/4", "\\frac{21}{4}"),
        ("5 1/4", "\\frac{5}{4}"),
        ("0", "\\frac{1}{2^{98}}"),
        ("2\\frac{1}{2}", "1"),
        ("-\\frac12", "\\frac12"),
    ),
    "thousands": (
        ("1 000", "1"),
        ("1 00", "100"),
        ("1,2", "12"),
        ("(1,234)", "1234"),
    ),
    "powers of ten": (
        ("1.5e3", "1.5"),
        ("1.5e3", "15000"),
        ("2e3", "2"),
    ),
    "units and degrees": (
        ("5 cm^2", "25"),
        ("45\u00b0", "46"),
    ),
    "typography": (
        ("5 x^2", "5"),
        ("5x", "5"),
        ("2\u221a3", "2\\sqrt{5}"),
        ("x\u00b2", "x^3"),
        ("x\u00b2", "2x"),
        ("\u00bd", "2"),
        ("3\u00b74", "34"),
        ("2 dozen", "2"),
        ("5 million", "5"),
        ("\\frac{1}{3}", "0.33"),
        ("3.14", "\\pi"),
        ("\\frac{22}{7}", "\\pi"),
        ("5^2", "52"),
        ("\\text{Paris}", "London"),
        ("(A)", "(B)"),
        ("5 m", "6"),
        ("1:2", "1:3"),
        ("(2) Paris", "2"),
        ("5 and 6", "5"),
    ),
    "repeating decimals": (
        ("0.\\overline{3}", "0.3"),
        ("0.\\overline{3}", "0.333"),
        ("0.\\overline{36}", "\\frac{1}{3}"),
    ),
    "the empty set": (
        ("\\varnothing", "0"),
        ("\\emptyset", "\\{0\\}"),
        ("no solution", "7"),
    ),
    "sets and inequalities": (
        ("x < 3", "(-\\infty,3]"),
        ("x\\geq 3", "(-\\infty,3]"),
        ("(-1,2)", "-1<x\\leq 2"),
        ("x > 1 and x < 2", "(-\\infty,\\infty)"),
        ("x > -1 or x < 2", "(-1,2)"),
        ("\u221e", "-\\infty"),
        ("all real numbers", "(0,\\infty)"),
        ("y\\leq 3", "x\\leq 3"),
    ),
    "Markdown and wrappings": (("**73**", "74"),),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_in_another_notation_is_right(kind: str) -> None:
    verdicts = {pair: grade(*pair) for pair in SAME[kind]}
    assert {pair for pair, verdict in verdicts.items() if verdict is not Verdict.RIGHT} == set()


@pytest.mark.parametrize("kind", OTHER)
def test_what_only_looks_the_same_is_wrong(kind: str) -> None:
    verdicts = {pair: grade(*pair) for pair in OTHER[kind]}
    assert {pair for pair, verdict in verdicts.items() if verdict is not Verdict.WRONG} == set()


def test_the_shared_cases_are_graded_as_they_should_be(shared_dir: Path) -> None:
    file = shared_dir / "cases" / "math.jsonl"
    if not file.is_file():
        pytest.skip("needs shared/cases")
    for line in file.read_text("utf-8").splitlines():
        case = json.loads(line)
        right = grade(case["answer"], case["gold"]) is Verdict.RIGHT
        assert right == case["right"], case


def written(value: Fraction) -> st.SearchStrategy[str]:
    """Return ways to write a fraction exactly."""
    top, bottom = value.numerator, value.denominator
    whole, rest = divmod(abs(top), bottom)
    sign = "-" if top < 0 else ""
    forms = [
        f"{top - 7}/{bottom} + 7/{bottom}",
        f"{top}/{bottom}",
        f"{sign}\\frac{{{abs(top)}}}{{{bottom}}}",
        f"({top})/({bottom})",
    ]
    forms += [f"{3 * top}/{3 * bottom}", f"{top} \u00f7 {bottom}", f"{top}\\cdot {bottom}^{{-1}}"]
    if rest and whole:
        forms += [f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"]
    if bottom == 1:
        forms += [f"{top:,}", f"{top:,}".replace(",", "\u2009"), f"{top}e0", f"**{top}**"]
    return st.sampled_from(forms)


@given(
    st.data(),
    st.builds(Fraction, st.integers(-10_000, 10_000), st.integers(1, 300)),
    st.builds(Fraction, st.integers(-10_000, 10_000), st.integers(1, 300)),
)
def test_fractions_are_right_exactly_where_they_are_equal(
    data: st.DataObject, first: Fraction, second: Fraction
) -> None:
    one, other = data.draw(written(first)), data.draw(written(first))
    value = read_value(normalised(one))
    assert value is not None
    assert (value.value, value.exact) == (first, True)
    assert grade(one, other) is Verdict.RIGHT
    expected = Verdict.RIGHT if first == second else Verdict.WRONG
    assert grade(one, data.draw(written(second))) is expected


@given(
    st.text(max_size=60) | st.lists(st.sampled_from("12.,/^({})-+e \\"), max_size=60).map("".join)
)
def test_reading_a_number_never_fails(text: str) -> None:
    value = read_value(normalised(text))
    assert value is None or value.value == value.value


@pytest.mark.parametrize(
    "text", ["(" * 400, "-" * 400, "2^" * 200 + "2", "9^{9^{9}}", "1e99999", "\\frac" * 80, "1/0"]
)
def test_what_is_too_deep_or_too_large_is_left_to_the_judge(text: str) -> None:
    assert read_value(text) is None
