"""A grammar is parsed part by part, and comes out as from TextWorld's parse of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from oreo_agent.envs.alfworld import grammar
from oreo_agent.envs.alfworld.cache import DiskCache
from oreo_agent.envs.alfworld.grammar import Grammar, Text
from oreo_agent.envs.core import EnvError

RULES = 'grammar :: """\n{"task": [{"rhs": "Your task is to: wait."}]}\n""";\n'
ACTION = """action wait {
    template :: "wait";
    feedback :: "wait.feedback";
    pddl :: \"\"\"TEXT\"\"\";
    grammar :: \"\"\"
        {"wait.feedback": [{"rhs": "Time passes."}]}
    \"\"\";
}
"""


def parse(text: str, folder: Path) -> Grammar:
    """Parse a grammar that is in no cache."""
    return grammar.load_grammar(text, where="x", cache=DiskCache(folder))


@pytest.mark.parametrize("text", ["", "\naction passes {\n", "\ngrammar :: none\n"])
def test_what_looks_like_a_part_within_a_text_is_text(text: str, tmp_path: Path) -> None:
    parsed = parse(RULES + ACTION.replace("TEXT", text), tmp_path)
    assert parsed.rules["task"][0].symbols == (Text(text="Your task is to: wait."),)
    assert parsed.rules["wait.feedback"][0].symbols == (Text(text="Time passes."),)
    assert list(parsed.actions) == ["wait"]


def test_what_is_no_grammar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match="cannot be read"):
        parse(RULES + "action {", tmp_path)
