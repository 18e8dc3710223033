"""Game files from strangers: each is first shown to play in its clean form."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oreo_agent.envs import EnvError
from oreo_agent.envs.alfworld.engine import PddlEngine
from oreo_agent.envs.alfworld.game import load_game
from oreo_agent.envs.alfworld.games import FolderSource

Alter = Callable[..., Path]
DEEP = 100_000
CLOSED = "You close the {r.name}."


@pytest.fixture
def engine() -> Iterator[PddlEngine]:
    engine = PddlEngine()
    yield engine
    engine.close()


def refusal(engine: PddlEngine, path: Path) -> str:
    """Return the error's text: one line that names the file and is short enough to read."""
    with pytest.raises(EnvError) as caught:
        engine.reset(path)
    text = str(caught.value)
    assert str(path) in text
    assert len(text.splitlines()) == 1
    assert len(text) < 1000
    return text


def test_a_grammar_that_runs_python_is_refused_and_its_clean_form_plays(
    engine: PddlEngine, altered_game: Alter, tmp_path: Path
) -> None:
    mark = tmp_path / "PWNED"
    clean = altered_game(grammar=lambda text: text.replace(CLOSED, "You shut the {r.name}."))
    assert engine.reset(clean).admissible
    code = f"__import__('pathlib').Path('{mark}').touch() or r.name"
    hostile = altered_game(grammar=lambda text: text.replace(CLOSED, f"You shut the {{{code}}}."))
    text = refusal(engine, hostile)
    assert "rule 'CloseObject.feedback'" in text
    assert "__import__('pathlib')" in text
    assert not mark.exists()


def test_the_same_grammar_does_run_in_stock_textworld(altered_game: Alter, tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    mark = tmp_path / "RAN"
    code = f"__import__('pathlib').Path('{mark}').touch() or r.name"
    path = altered_game(grammar=lambda text: text.replace("{r.indefinite} {r.name", f"{{{code}"))
    script = (
        "import json, sys, textworld\n"
        "from alfworld.agents.environment.alfred_tw_env import AlfredDemangler\n"
        "from textworld.envs.pddl import PddlEnv\n"
        "env = AlfredDemangler(PddlEnv(textworld.EnvInfos()))\n"
        "env.load(json.load(open(sys.argv[1])))\n"
        "env.reset()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True)
    assert mark.exists()


@pytest.mark.parametrize(
    "code",
    [
        "r.name if r else r",
        "(r.name,)[0]",
        "f'{r.name}'",
        "r.name * 1000000000",
        "lambda: r",
        "(x := r.name)",
        "r['name']",
        "r.name.__class__",
        "eval('1')",
        "r and r.name",
        "not r",
        "(lambda: r.name)()",
        "r.name.upper()",
        "'%s' % r.name",
        "().__class__.__bases__",
        "1 + 1",
    ],
)
def test_anything_but_plain_expressions_is_refused_by_name(
    engine: PddlEngine, altered_game: Alter, code: str
) -> None:
    path = altered_game(
        grammar=lambda text: text.replace(CLOSED, f"You close the {{{code}}}.".replace('"', "'"))
    )
    text = refusal(engine, path)
    assert "rule 'CloseObject.feedback'" in text
    assert code in text


def test_a_game_of_a_gigabyte_is_refused_before_it_is_read(
    engine: PddlEngine, house_folder: Path, house_game: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "train" / "task" / "trial"
    folder.mkdir(parents=True)
    path = folder / "game.tw-pddl"
    raw = house_game.read_bytes()
    path.write_bytes(raw)
    (folder / "traj_data.json").write_bytes((house_game.parent / "traj_data.json").read_bytes())
    assert engine.reset(path).admissible
    assert FolderSource(tmp_path).games("train") == ("train/task/trial",)
    os.truncate(path, 1 << 30)  # a sparse file: it takes no room on the disk
    before = _peak_memory()
    began = time.process_time()
    assert "refused unread: it has 1073741824 bytes" in refusal(engine, path)
    with pytest.raises(EnvError, match="refused unread"):
        FolderSource(tmp_path).games("train")
    assert time.process_time() - began < 0.5
    assert _peak_memory() - before < 64 * 1024


def test_a_pipe_in_place_of_a_game_is_refused_and_not_waited_for(
    engine: PddlEngine, tmp_path: Path
) -> None:
    path = tmp_path / "game.tw-pddl"
    os.mkfifo(path)
    assert "not an ordinary file" in refusal(engine, path)


@pytest.mark.parametrize(
    ("key", "nest"),
    [
        ("pddl_problem", lambda text, n: text.replace("(:goal", "(:goal " + "(and " * n) + ")" * n),
        ("pddl_problem", lambda text, n: ")" * n + "(" * n + text),
        ("pddl_domain", lambda text, n: text.replace("(:types", "(:types " + "(" * n) + ")" * n),
        ("grammar", lambda text, n: text.replace("TODO", "[" * n + "TODO" + "]" * n)),
        ("grammar", lambda text, n: text.replace("TODO", "{" * n + "r.name" + "}" * n)),
        ("grammar", lambda text, n: "{" * n + text),
    ],
    ids=["goal", "brackets first", "types", "lists", "expressions", "blocks"],
)
def test_a_text_nested_100000_deep_is_refused_at_once(
    engine: PddlEngine, altered_game: Alter, key: str, nest: Callable[[str, int], str]
) -> None:
    path = altered_game(**{key: lambda text: text + " \n"})
    assert engine.reset(path).admissible
    path = altered_game(**{key: lambda text: nest(text, DEEP)})
    began = time.process_time()
    text = refusal(engine, path)
    assert "nested more than" in text or "characters" in text
    assert time.process_time() - began < 1.0


def test_a_value_nested_100000_deep_under_an_unread_key_is_refused(
    engine: PddlEngine, house_game: Path, tmp_path: Path
) -> None:
    path = tmp_path / "game.tw-pddl"
    text = house_game.read_text()
    path.write_text(text.replace("{", '{"extra": [[]],', 1))
    assert engine.reset(path).admissible
    path.write_text(text.replace("{", '{"extra": ' + "[" * DEEP + "]" * DEEP + ",", 1))
    assert "not a game.tw-pddl file" in refusal(engine, path)


@pytest.mark.parametrize("code", ["+".join(["r.id"] * 400), "(" * 190 + "-r.id" + ")" * 190])
def test_a_deep_expression_is_refused(engine: PddlEngine, altered_game: Alter, code: str) -> None:
    clean = altered_game(grammar=lambda text: text.replace(CLOSED, "{r.id + r.id + r.id}"))
    assert engine.reset(clean).admissible
    path = altered_game(grammar=lambda text: text.replace(CLOSED, f"{{{code}}}"))
    assert "rule 'CloseObject.feedback'" in refusal(engine, path)


def test_a_grammar_too_long_to_parse_is_refused(engine: PddlEngine, altered_game: Alter) -> None:
    path = altered_game(grammar=lambda text: text.replace("TODO", "{r.name}" * 50_000))
    began = time.process_time()
    assert "characters" in refusal(engine, path)
    assert time.process_time() - began < 1.0


def test_escapes_and_markup_in_names_pass_through_as_text(
    engine: PddlEngine, house_game: Path, altered_game: Alter
) -> None:
    """The engine changes no text: what shows it makes it harmless."""
    place = next(text for text in engine.reset(house_game).admissible if text.startswith("go to"))
    kind = place.split(" ")[2]

    def renamed(name: str) -> Callable[[str], str]:
        return lambda text: re.sub(rf"\b{kind}_bar_", f"{name}_bar_", text, flags=re.IGNORECASE)

    clean = engine.reset(altered_game(pddl_problem=renamed("chest")))
    assert place.replace(kind, "chest") in clean.admissible
    name = "\x1b]0owned\x07\x1b[2j[bold][/bold]<b>&amp"
    state = engine.reset(altered_game(pddl_problem=renamed(name)))
    assert f"a {name} 1" in state.feedback
    assert len(state.admissible) == len(clean.admissible)
    assert name in engine.step(place.replace(kind, name)).feedback


def test_escapes_in_a_damaged_games_names_are_quoted_in_the_error(
    engine: PddlEngine, altered_game: Alter
) -> None:
    path = altered_game(
        pddl_problem=lambda text: text.replace("(:objects", "(:objects \x1b[2J\x07 - nowhere")
    )
    assert "\x1b" not in refusal(engine, path)


@pytest.mark.parametrize("text", [r"\ud800", r"{'\ud800'}"], ids=["text", "expression"])
def test_half_a_surrogate_pair_is_refused(
    engine: PddlEngine, altered_game: Alter, text: str
) -> None:
    path = altered_game(grammar=lambda whole: whole.replace(CLOSED, text))
    assert "its grammar cannot be read" in refusal(engine, path)


def test_a_hostile_game_is_never_cached(altered_game: Alter, tmp_cache: Path) -> None:
    path = altered_game(grammar=lambda text: text.replace(CLOSED, "{exit()}"))
    for _ in range(2):
        with pytest.raises(EnvError, match="refused"):
            load_game(path)
    assert json.loads(path.read_text())["solvable"] is True


def _peak_memory() -> int:
    """Return the most memory this process ever had, in KiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
