"""Where problems come from: the generator's promises, and published sets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.math import generator
from oreo_agent.envs.math.datasets import PublishedProblems
from oreo_agent.envs.math.generator import GeneratedProblems, level_mix
from oreo_agent.envs.math.problems import SPLITS, Problem, open_source
from oreo_agent.errors import MissingError, RunFailedError, UsageError

COUNTS = {"train": 150, "valid": 60, "test": 60}
GSM8K_ROW = {"question": "What is 48/2?", "answer": "It is 48/2=<<48/2=24>>24.\n#### 24"}
MATH_ROW = {
    "problem": "What is $\\frac{2}{4}$?",
    "solution": "We cancel. Then it is $\\boxed{\\frac{1}{2}}$.",
    "level": "Level 3",
    "type": "Algebra",
}


@pytest.fixture(scope="module")
def generated() -> GeneratedProblems:
    return GeneratedProblems(counts=COUNTS)


def _problems(source: GeneratedProblems, split: str) -> list[Problem]:
    return [source.problem(task) for task in source.tasks(split)]


def _held_apart(problem: Problem) -> str:
    """What no two splits share: the question of a single sum, else the calculation."""
    if problem.type == "level 1":
        return problem.question
    return problem.type + "".join(line.partition("=")[0] for line in problem.solution.split("\n"))


def _write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_split_has_as_many_problems_as_asked_for(generated: GeneratedProblems) -> None:
    assert {split: len(set(generated.tasks(split))) for split in SPLITS} == COUNTS


def test_nothing_that_is_trained_on_occurs_in_a_held_out_split(
    generated: GeneratedProblems,
) -> None:
    sets = [{_held_apart(p) for p in _problems(generated, split)} for split in SPLITS]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]


def test_splits_stay_disjoint_across_seeds() -> None:
    one, other = (GeneratedProblems(counts=COUNTS, seed=seed) for seed in (0, 1))
    train = {_held_apart(p) for p in _problems(one, "train")}
    assert not train & {_held_apart(p) for p in _problems(other, "test")}


def test_the_same_seed_gives_the_same_bytes_in_another_process(
    generated: GeneratedProblems,
) -> None:
    code = (
        "from oreo_agent.envs.math.generator import GeneratedProblems\n"
        f"s = GeneratedProblems(counts={COUNTS})\n"
        "print([s.problem(t).sha256 for x in ('train', 'valid', 'test') for t in s.tasks(x)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [p.sha256 for split in SPLITS for p in _problems(generated, split)]
    assert done.stdout.strip() == str(here)


def test_another_seed_gives_other_problems(generated: GeneratedProblems) -> None:
    other = GeneratedProblems(counts=COUNTS, seed=1)
    shared = {p.question for p in _problems(generated, "train")}
    assert len(shared & {p.question for p in _problems(other, "train")}) < 0.2 * COUNTS["train"]


def test_more_problems_begin_with_the_same_ones(generated: GeneratedProblems) -> None:
    more = GeneratedProblems(counts={"train": 300})
    assert list(more.tasks("train"))[: COUNTS["train"]] == list(generated.tasks("train"))


def test_every_step_of_a_solution_is_true(generated: GeneratedProblems) -> None:
    checked = 0
    for problem in (p for split in SPLITS for p in _problems(generated, split)):
        for line in problem.solution.split("\n")[:-1]:
            *_, calculation, result = line.split(" = ")
            if "x" not in calculation:
                assert _calculate(calculation) == int(result), problem
                checked += 1
    assert checked > 400


def test_equations_are_solved_by_their_answers(generated: GeneratedProblems) -> None:
    checked = 0
    for problem in (p for split in SPLITS for p in _problems(generated, split)):
        left, equals, right = problem.solution.split("\n")[0].partition(" = ")
        if "x" in left and equals:
            k, _, constant = left.partition("x")
            solved = next(x for x in range(200) if _calculate(f"{k} * {x}{constant}") == int(right))
            assert f"= {solved}\n" in problem.solution
            checked += 1
    assert checked > 80


def _calculate(text: str) -> int:
    """Calculate one product or quotient, and sums after it."""
    total, sign = 0, 1
    tokens = text.split()
    value = int(tokens[0])
    for operator, number in zip(tokens[1::2], map(int, tokens[2::2]), strict=True):
        if operator in "+-":
            total, sign, value = total + sign * value, 1 if operator == "+" else -1, number
        elif operator == "*":
            value *= number
        else:
            value, rest = divmod(value, number)
            assert rest == 0
    return total + sign * value


def test_levels_keep_to_their_mix() -> None:
    source = GeneratedProblems(levels="1:3,4:1", counts={"train": 80})
    kinds = Counter(problem.type for problem in _problems(source, "train"))
    assert kinds == {"level 1": 60, "level 4": 20}
    assert level_mix("1:3,4:1") == {"1": 0.75, "4": 0.25}


@pytest.mark.parametrize("levels", ["9", "1:x", "1:0", "1:-2", "1,,2", "1:nan"])
def test_a_mix_that_means_nothing_is_refused(levels: str) -> None:
    with pytest.raises(UsageError, match="level"):
        GeneratedProblems(levels=levels)


def test_a_level_that_runs_out_of_problems_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "_PATIENCE", 0)
    source = GeneratedProblems(levels="1", counts={"test": 50_000})
    with pytest.raises(UsageError, match="level 1 has no 50000 different problems for test"):
        source.tasks("test")


def test_a_split_of_no_problems_is_missing() -> None:
    with pytest.raises(MissingError, match="no problems in train"):
        GeneratedProblems(counts={"test": 5}).tasks("train")
    with pytest.raises(UsageError, match="negative"):
        GeneratedProblems(counts={"test": -1})


@pytest.mark.parametrize(
    "task",
    [
        "nonsense",
        "generated-v9/seed-0/level-1/000001",
        "generated-v1/seed-0/level-x/000001",
        "generated-v1/seed-0/level-1/000001/..",
    ],
)
def test_an_unknown_generated_problem_is_refused(task: str, generated: GeneratedProblems) -> None:
    with pytest.raises(EnvError, match="no problem"):
        generated.problem(task)


def test_gsm8k_is_read_from_json_lines(tmp_path: Path) -> None:
    source = PublishedProblems("gsm8k", _write(tmp_path / "gsm8k-test.jsonl", GSM8K_ROW))
    (task,) = source.tasks("test")
    problem = source.problem(task)
    assert (problem.answer, problem.type) == ("24", "1 step")
    assert problem.solution == "It is 48/2=24.\n#### 24"


def test_math_is_read_from_json_lines(tmp_path: Path) -> None:
    source = PublishedProblems("math", _write(tmp_path / "test.jsonl", MATH_ROW))
    (task,) = source.tasks("test")
    problem = source.problem(task)
    assert (problem.answer, problem.type) == ("\\frac{1}{2}", "level 3")


def test_a_twentieth_of_training_is_held_out_where_there_is_no_file_for_it(tmp_path: Path) -> None:
    rows = [{**GSM8K_ROW, "question": f"What is 48/2, time {n}?"} for n in range(400)]
    source = PublishedProblems("gsm8k", _write(tmp_path / "train.jsonl", *rows))
    train, valid = source.tasks("train"), source.tasks("valid")
    assert len(train) + len(valid) == 400
    assert 8 <= len(valid) <= 35
    assert not set(train) & set(valid)


def test_ids_do_not_depend_on_the_order_of_a_file(tmp_path: Path) -> None:
    rows = [{**GSM8K_ROW, "question": f"Question {n}?"} for n in range(30)]
    one = PublishedProblems("gsm8k", _write(tmp_path / "one-test.jsonl", *rows))
    other = PublishedProblems("gsm8k", _write(tmp_path / "other-test.jsonl", *reversed(rows)))
    assert sorted(one.tasks("test")) == sorted(other.tasks("test"))


@pytest.mark.parametrize(
    "row", [{"question": "q"}, {**GSM8K_ROW, "answer": "no marker"}, [1], {"question": 1}]
)
def test_a_damaged_line_is_named(row: object, tmp_path: Path) -> None:
    source = PublishedProblems("gsm8k", _write(tmp_path / "train.jsonl", GSM8K_ROW, row))
    with pytest.raises(RunFailedError, match=r"train\.jsonl, line 2"):
        source.tasks("train")


def test_a_folder_without_problems_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no JSONL file"):
        PublishedProblems("gsm8k", tmp_path)


def test_a_split_without_a_file_says_which_is_missing(tmp_path: Path) -> None:
    source = PublishedProblems("gsm8k", _write(tmp_path / "train.jsonl", GSM8K_ROW))
    with pytest.raises(MissingError, match=r"Add a test\.jsonl"):
        source.tasks("test")


def test_without_the_hub_the_way_out_is_said() -> None:
    with pytest.raises(MissingError, match="data=FOLDER"):
        open_source("gsm8k").tasks("train")


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(UsageError, match="Choose generated, gsm8k or math"):
        open_source("aime")
    with pytest.raises(UsageError, match="no data folder"):
        open_source("generated", data="somewhere")
