"""Templates of generated problems: six levels, from one sum to a target to be reached.

Every draft of levels 1 to 5 has one answer: a story's amounts follow from one another, and an
equation is linear in one unknown with a coefficient that is not zero. At level 6 every way to the
target is right. Amounts are whole and not negative.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A problem before it has a name."""

    question: str
    steps: tuple[str, ...]
    answer: int
    split_key: str
    """The calculation without its story, e.g. ``7+5-3``; decides the split."""
    numbers: tuple[int, ...] = ()
    """What the answer has to be made of; empty where it is a number."""
    derivation: str = ""
    """One way to make the answer of the numbers."""

    @property
    def solution(self) -> str:
        """The steps, one a line, and the answer behind its marker."""
        return "\n".join([*self.steps, f"#### {self.derivation or self.answer}"])


_NAMES = ["Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon", "Kim", "Leo"]
_THINGS = [
    "apples",
    "books",
    "cards",
    "coins",
    "eggs",
    "marbles",
    "pears",
    "pencils",
    "plums",
    "shells",
    "stamps",
    "stones",
]
_HOLDERS = ["bags", "boxes", "jars", "rows"]
_ONE_HOLDER = ["bag", "basket", "box", "jar"]
_GAINS = ("{a} buys {n} more.", "{a} finds {n} more.", "{b} gives {a} {n} more.")
_LOSSES = ("{a} loses {n}.", "{a} sells {n}.", "{a} gives {n} to {b}.")
_NUMBER_RIDDLES = (
    "{k} times a number {sign} {n} is {t}. What is the number?",
    "If a number is multiplied by {k} and {n} is {done}, the result is {t}. What is the number?",
)


@dataclass(slots=True)
class _Story:
    """The sentences so far and the amount that follows from them."""

    rng: random.Random
    a: str
    b: str
    things: str
    amount: int
    sentences: list[str]
    steps: list[str]
    calculation: str

    def change(self, largest: int) -> None:
        """Add a sentence in which the amount rises or falls."""
        gain = self.amount < 2 or self.rng.random() < 0.5
        n = self.rng.randint(1, largest if gain else min(largest, self.amount - 1))
        form = self.rng.choice(_GAINS if gain else _LOSSES)
        self.sentences.append(form.format(a=self.a, b=self.b, n=n))
        after = self.amount + n if gain else self.amount - n
        sign = "+" if gain else "-"
        self.steps.append(f"{self.amount} {sign} {n} = {after}")
        self.calculation += f"{sign}{n}"
        self.amount = after

    def draft(self) -> Draft:
        question = f"How many {self.things} does {self.a} have now?"
        return Draft(
            question=" ".join([*self.sentences, question]),
            steps=tuple(self.steps),
            answer=self.amount,
            split_key=self.calculation,
        )


def _story(rng: random.Random, amount: int) -> _Story:
    a, b = rng.sample(_NAMES, 2)
    things = rng.choice(_THINGS)
    sentences = [f"{a} has {amount} {things}."]
    return _Story(rng, a, b, things, amount, sentences, [], str(amount))


def _one_sum(rng: random.Random) -> Draft:
    story = _story(rng, rng.randint(2, 10))
    story.change(10)
    draft = story.draft()
    # There are too few sums to keep any from training: a sum never seen cannot be learnt.
    return replace(draft, split_key=draft.question)


def _two_sums(rng: random.Random) -> Draft:
    story = _story(rng, rng.randint(2, 20))
    story.change(10)
    story.change(10)
    return story.draft()


def _product_and_sums(rng: random.Random) -> Draft:
    k, n = rng.randint(2, 9), rng.randint(2, 9)
    story = _story(rng, k * n)
    holders = rng.choice(_HOLDERS)
    story.sentences = [f"{story.a} has {k} {holders} of {n} {story.things}."]
    story.steps = [f"{k} * {n} = {k * n}"]
    story.calculation = f"{k}*{n}"
    for _ in range(rng.randint(1, 2)):
        story.change(20)
    return story.draft()


def _equation(rng: random.Random) -> Draft:
    k, x, n = rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 20)
    plus = k * x <= n or rng.random() < 0.5
    t = k * x + n if plus else k * x - n
    question = rng.choice(_NUMBER_RIDDLES).format(
        k=k,
        n=n,
        t=t,
        sign="plus" if plus else "minus",
        done="added" if plus else "taken away",
    )
    return _solved(question, f"{k}x {'+' if plus else '-'} {n} = {t}", k, n if plus else -n, t, x)


def _equation_in_a_story(rng: random.Random) -> Draft:
    return rng.choice((_more_than, _times_as_many, _price))(rng)


def _more_than(rng: random.Random) -> Draft:
    x, n = rng.randint(2, 20), rng.randint(1, 20)
    a, b = rng.sample(_NAMES, 2)
    things = rng.choice(_THINGS)
    question = (
        f"{a} has {n} more {things} than {b}. Together they have {2 * x + n} {things}. "
        f"How many {things} does {b} have?"
    )
    return _solved(question, f"2x + {n} = {2 * x + n}", 2, n, 2 * x + n, x)


def _times_as_many(rng: random.Random) -> Draft:
    k, x = rng.randint(2, 6), rng.randint(2, 12)
    a, b = rng.sample(_NAMES, 2)
    things = rng.choice(_THINGS)
    total = (k + 1) * x
    question = (
        f"{a} has {k} times as many {things} as {b}. Together they have {total} {things}. "
        f"How many {things} does {a} have?"
    )
    steps = (f"{k + 1}x = {total}", f"x = {total} / {k + 1} = {x}", f"{k} * {x} = {k * x}")
    return Draft(question=question, steps=steps, answer=k * x, split_key=f"{k}({k + 1}x={total})")


def _price(rng: random.Random) -> Draft:
    k, x, n = rng.randint(2, 9), rng.randint(2, 12), rng.randint(1, 20)
    a = rng.choice(_NAMES)
    things = rng.choice(_THINGS)
    holder = rng.choice(_ONE_HOLDER)
    t = k * x + n
    question = (
        f"{a} buys {k} {things} and a {holder} for {n} euros. {a} pays {t} euros in all. "
        f"How many euros does each of the {things} cost?"
    )
    return _solved(question, f"{k}x + {n} = {t}", k, n, t, x)


def _solved(question: str, equation: str, k: int, n: int, t: int, x: int) -> Draft:
    """Return a draft whose steps solve ``k x + n = t``."""
    move = f"{t} - {n}" if n > 0 else f"{t} + {-n}"
    steps = (equation, f"{k}x = {move} = {k * x}", f"x = {k * x} / {k} = {x}")
    return Draft(question=question, steps=steps, answer=x, split_key=equation.replace(" ", ""))


_COUNTDOWN_NUMBERS = (2, 20)
_LARGEST_RESULT = 99


def _countdown(rng: random.Random) -> Draft:
    numbers = [rng.randint(*_COUNTDOWN_NUMBERS) for _ in range(3)]
    a, b, c = rng.sample(numbers, 3)
    first_sign, first = _combined(rng, a, b)
    # Either order: the first result may be what is subtracted.
    swap = first < c
    left, right = (c, first) if swap else (first, c)
    sign, target = _combined(rng, left, right)
    inner = f"{max(a, b)} {first_sign} {min(a, b)}"
    if first_sign != "*" and (sign == "*" or (sign == "-" and swap)):
        inner = f"({inner})"
    whole = f"{c} {sign} {inner}" if swap else f"{inner} {sign} {c}"
    listed = f"{numbers[0]}, {numbers[1]} and {numbers[2]}"
    return Draft(
        question=f"Use {listed} once each, with +, - and *, to make {target}. How?",
        steps=(
            f"{max(a, b)} {first_sign} {min(a, b)} = {first}",
            f"{left} {sign} {right} = {target}",
        ),
        answer=target,
        # Neither the order of the numbers nor the way to the target makes another problem.
        split_key=f"{sorted(numbers)}->{target}",
        numbers=tuple(numbers),
        derivation=whole,
    )


def _combined(rng: random.Random, a: int, b: int) -> tuple[str, int]:
    """Return a sign and what it makes of two numbers, the smaller behind it."""
    a, b = max(a, b), min(a, b)
    results = {"+": a + b, "-": a - b, "*": a * b}
    sign = rng.choice([s for s in results if s != "*" or a * b <= _LARGEST_RESULT])
    return sign, results[sign]


LEVELS: dict[str, Callable[[random.Random], Draft]] = {
    "1": _one_sum,
    "2": _two_sums,
    "3": _product_and_sums,
    "4": _equation,
    "5": _equation_in_a_story,
    "6": _countdown,
}
"""Level -> function that draws a problem: 1 and 2, one and two sums; 3, a product and sums;
4, a linear equation in words; 5, one in a story; 6, a target to be made of three numbers."""
