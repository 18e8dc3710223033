r"""One writing for the many of an answer: typography, Markdown and LaTeX's wrappings."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["normalised"]

_SPACES = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
_INVISIBLE = dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF))
_DASHES = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212, 0xFE63), "-")
_SIGNS = {
    "\N{MULTIPLICATION SIGN}": r" \times ",
    "\N{MULTIPLICATION X}": r" \times ",
    "\N{MIDDLE DOT}": r" \cdot ",
    "\N{DOT OPERATOR}": r" \cdot ",
    "\N{BULLET OPERATOR}": r" \cdot ",
    "\N{BULLET}": r" \cdot ",
    "\N{DIVISION SIGN}": "/",
    "\N{FRACTION SLASH}": "/",
    "\N{DIVISION SLASH}": "/",
    "\N{PLUS-MINUS SIGN}": r"\pm ",
    "\N{MINUS-OR-PLUS SIGN}": r"\mp ",
    "\N{INFINITY}": r"\infty ",
    "\N{GREEK SMALL LETTER PI}": r"\pi ",
    "\N{GREEK SMALL LETTER THETA}": r"\theta ",
    "\N{GREEK SMALL LETTER ALPHA}": r"\alpha ",
    "\N{GREEK SMALL LETTER BETA}": r"\beta ",
    "\N{GREEK SMALL LETTER GAMMA}": r"\gamma ",
    "\N{GREEK SMALL LETTER LAMDA}": r"\lambda ",
    "\N{GREEK SMALL LETTER PHI}": r"\phi ",
    "\N{GREEK SMALL LETTER OMEGA}": r"\omega ",
    "\N{LESS-THAN OR EQUAL TO}": r"\leq ",
    "\N{LESS-THAN OR SLANTED EQUAL TO}": r"\leq ",
    "\N{GREATER-THAN OR EQUAL TO}": r"\geq ",
    "\N{GREATER-THAN OR SLANTED EQUAL TO}": r"\geq ",
    "\N{NOT EQUAL TO}": r"\neq ",
    "\N{UNION}": r"\cup ",
    "\N{INTERSECTION}": r"\cap ",
    "\N{ELEMENT OF}": r"\in ",
    "\N{LOGICAL OR}": r"\lor ",
    "\N{LOGICAL AND}": r"\land ",
    "\N{EMPTY SET}": r"\emptyset ",
    "\N{DIAMETER SIGN}": r"\emptyset ",
    "\N{DOUBLE-STRUCK CAPITAL R}": r"\mathbb{R}",
    "\N{DOUBLE-STRUCK CAPITAL Z}": r"\mathbb{Z}",
    "\N{DOUBLE-STRUCK CAPITAL N}": r"\mathbb{N}",
    "\N{DOUBLE-STRUCK CAPITAL Q}": r"\mathbb{Q}",
    "\N{DOUBLE-STRUCK CAPITAL C}": r"\mathbb{C}",
    "\N{SET MINUS}": r"\setminus ",
    "\N{PRIME}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{FULLWIDTH PERCENT SIGN}": "%",
}
_TABLE = {**_SPACES, **_INVISIBLE, **_DASHES, **{ord(key): text for key, text in _SIGNS.items()}}

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"
_PLAIN = str.maketrans(_RAISED + _LOWERED, "0123456789+-=()ni0123456789+-=()")
_SCRIPTS = re.compile(rf"([{_RAISED}]+)|([{_LOWERED}]+)")
_VULGAR = re.compile(r"(?P<whole>\d? ?)(?P<sign>[¼-¾⅐-⅞])")
_ROOT = re.compile(r"([√∛∜]) ?(?:\(([^()]*)\)|(\{[^{}]*\})|(\d+(?:\.\d+)?|[a-zA-Z]|\\[a-z]+))")
_ROOTS = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}
_BARRED = re.compile("((?:\\d[\u0304\u0305])+)")
_DOTTED = re.compile("(\\d)\u0307")
_LAYOUT = re.compile(
    r"\\(?:displaystyle|textstyle|limits|left|right|bigl?|bigr?|Bigl?|Bigr?)(?![a-zA-Z])"
)
_NO_SPACE = re.compile(r"(?<!\\)\\!")
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:> ]|(?:quad|qquad|thinspace)(?![a-zA-Z]))|(?<!\\)~")
_DEGREES = re.compile(
    r" ?(?:°|\^ ?(?:\{ ?\\circ ?\}|\\circ(?![a-zA-Z])))(?: ?[CF]\b)?|(?<=[\d)}]) ?degrees?$",
    re.IGNORECASE,
)
_SHELLS = (
    *(("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__")),
    *(("```", "```"), ("`", "`"), ("*", "*"), ("_", "_")),
)
_LEAD = re.compile(
    r"^(?:#{1,6} |> |(?:\*\*|__)?(?:the )?(?:final )?answer\b(?: is\b)? ?[:=]?(?:\*\*|__)? ?"
    r"|\\(?:approx|therefore|implies)(?![a-zA-Z]) ?|[=≈∴⇒] ?)",
    re.IGNORECASE,
)
_TEXT = re.compile(r"^\\text ?\{([^{}]*)\}$")
_EMPTY = (r"\varnothing", r"\emptyset", r"\O", r"\{\}", r"\{ \}", "{}", "{ }")
_NAMED_EMPTY = ("empty set", "the empty set", "null set", "no solution", "no solutions")
_REALS = (r"\mathbb{R}", r"\mathbb R", r"\R", r"\Bbb{R}", r"x \in \mathbb{R}", r"x\in\mathbb{R}")
_NAMED_REALS = ("all real numbers", "all reals", "the real numbers")
_SYNONYMS = {
    **dict.fromkeys((*_EMPTY, *_NAMED_EMPTY), r"\emptyset"),
    **dict.fromkeys((*_REALS, *_NAMED_REALS), r"(-\infty,\infty)"),
}


def normalised(text: str) -> str:
    """Return an answer in plain LaTeX, without what does not change its meaning.

    White space, Markdown, dollar signs and full stops around it go; signs of typography become
    LaTeX (``½``, ``x²``, ``2√3``, ``∞``, ``3·4``); degrees are not written; names of the empty
    set and of the real numbers are each one.
    """
    text = text.encode("utf-8", "replace").decode()
    if not text.isascii():
        text = "".join(map(_narrow, text.translate(_TABLE)))
        text = _SCRIPTS.sub(_script, _VULGAR.sub(_fraction, text))
        text = _BARRED.sub(lambda m: rf"\overline{{{re.sub(r'[^0-9]', '', m[1])}}}", text)
        text = _DOTTED.sub(r"\\dot{\1}", text)
        text = _ROOT.sub(_radical, text)
    text = _unwrapped(" ".join(text.split()))
    text = _DEGREES.sub("", _SPACING.sub(" ", _NO_SPACE.sub("", _LAYOUT.sub("", text))))
    text = " ".join(text.split())
    name = _TEXT.sub(r"\1", text)
    return _SYNONYMS.get(name if name.startswith("\\") else name.lower().strip(), text)


def _unwrapped(text: str) -> str:
    """Take off what surrounds an answer, in any order."""
    while True:
        before = text
        text = text.strip() if text.endswith("...") else text.strip().rstrip(". ")
        text = _LEAD.sub("", text)
        for opening, closing in _SHELLS:
            inside = text[len(opening) : len(text) - len(closing)]
            if len(text) > len(opening + closing) and text == f"{opening}{inside}{closing}":
                text = inside if opening not in inside else text
        text = text.removesuffix("**") if "**" not in text[:-2] else text
        found = re.fullmatch(r"\\(?:boxed|fbox|textbf|mathbf) ?\{([^{}]*)\}", text)
        text = found[1] if found else text
        if text == before:
            return text


def _narrow(sign: str) -> str:
    """Return the usual form of a sign that has a width or a style of its own."""
    kind = unicodedata.decomposition(sign).partition(" ")[0]
    return unicodedata.normalize("NFKC", sign) if kind in ("<wide>", "<narrow>", "<font>") else sign


def _script(found: re.Match[str]) -> str:
    mark = "^" if found[1] else "_"
    return f"{mark}{{{found[0].translate(_PLAIN)}}}"


def _fraction(found: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", found["sign"]).partition("\u2044")
    return rf"{found['whole']}\frac{{{top}}}{{{bottom}}}"


def _radical(found: re.Match[str]) -> str:
    inside = next(part for part in found.groups()[1:] if part is not None)
    return f"{_ROOTS[found[1]]}{{{inside.removeprefix('{').removesuffix('}')}}}"
