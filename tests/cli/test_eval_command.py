"""``oreo-agent eval`` and ``report``: the same numbers as a table and as one document."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oreo_agent.cli.app import main
from oreo_agent.episodes import EpisodeStore
from oreo_agent.errors import ExitCode
from oreo_agent.training.results import RunResults, load_results
from oreo_agent.training.run_dir import write_result


def _sets(settings: Sequence[str]) -> list[str]:
    return [flag for setting in settings for flag in ("-s", setting)]


@pytest.fixture
def command(tiny_settings: tuple[str, ...]) -> list[str]:
    """Measure an agent on the four tiny valid_seen games."""
    return ["eval", "alfworld", *_sets(tiny_settings)]


@pytest.fixture
def oreo(finished_run: Path) -> str:
    return str(finished_run / "checkpoints/oreo")


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    captured = capsys.readouterr()
    assert captured.err == ""
    (line,) = captured.out.splitlines()
    document: dict[str, Any] = json.loads(line)
    assert document["schema"] == 1
    return document


def test_the_expert_wins_and_the_table_has_the_numbers_of_the_document(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--agent", "expert", "--json"]) == ExitCode.OK
    document = _json(capsys)
    cell = document["methods"]["expert"]["all"]["all"]
    assert (cell["games"], cell["successes"]) == (4, 4)
    assert main([*command, "--agent", "expert", "-q"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.err == ""
    shown = f"{cell['rate']:.1%} [{cell['low']:.1%}, {cell['high']:.1%}] (4/4)"
    assert shown in captured.out
    for kind in document["methods"]["expert"]["all"]:
        assert kind in captured.out


def test_a_run_and_its_eval_agree_on_every_game(
    command: list[str],
    oreo: str,
    finished_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "eval"
    assert main([*command, "--checkpoint", oreo, "--out", str(out), "--json"]) == ExitCode.OK
    _json(capsys)
    played = json.loads((out / "results.json").read_text())["games"]
    method = load_results(finished_run).method("oreo")
    assert method is not None
    expected = [g for g in msgspec.to_builtins(method.games) if g["split"] == "valid_seen"]
    assert played == expected
    assert len(list(EpisodeStore(out / "episodes"))) == 4


def test_limit_takes_the_first_games(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--agent", "random", "--limit", "2", "--json"]) == ExitCode.OK
    assert _json(capsys)["methods"]["random"]["all"]["all"]["games"] == 2


def test_too_little_success_exits_with_5_and_still_prints_the_table(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*command, "--agent", "random", "--limit", "1", "-q", "--min-success", "1"]
    assert main(arguments) == ExitCode.CHECK_FAILED
    captured = capsys.readouterr()
    assert "random" in captured.out
    assert captured.err.startswith("error: success is 0.0%")
    assert captured.err.count("fix: ") == 1


def test_enough_success_exits_with_0(command: list[str]) -> None:
    arguments = [*command, "--agent", "expert", "--limit", "1", "-q", "--min-success", "1"]
    assert main(arguments) == ExitCode.OK


def test_a_second_checkpoint_plays_the_same_games(
    command: list[str], oreo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--agent", "expert", "--compare", oreo, "--json"]) == ExitCode.OK
    document = _json(capsys)
    rates = [document["methods"][name]["all"]["all"]["rate"] for name in ("expert", oreo)]
    assert document["comparison"]["difference"] == pytest.approx(rates[0] - rates[1])
    assert document["comparison"]["test"] == "exact McNemar"


def test_an_earlier_eval_is_compared_without_playing_again(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "earlier"
    assert main([*command, "--agent", "random", "--out", str(earlier), "-q"]) == ExitCode.OK
    capsys.readouterr()
    shutil.rmtree(earlier / "episodes")
    arguments = [*command, "--agent", "expert", "--compare", str(earlier), "--json"]
    assert main(arguments) == ExitCode.OK
    document = _json(capsys)
    assert set(document["methods"]) == {"expert", "random"}
    assert document["comparison"]["difference"] == 1.0
    assert document["comparison"]["p_value"] == pytest.approx(0.125)


def test_an_earlier_eval_of_other_games_is_refused_before_anything_is_played(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier, out = tmp_path / "earlier", tmp_path / "later"
    arguments = [*command, "--agent", "random", "-q"]
    assert main([*arguments, "--limit", "1", "--out", str(earlier)]) == ExitCode.OK
    capsys.readouterr()
    compared = [*arguments, "--compare", str(earlier), "--out", str(out)]
    assert main(compared) == ExitCode.USAGE
    assert "other games" in capsys.readouterr().err
    assert not out.exists()


def test_a_method_is_compared_with_its_earlier_self_under_two_names(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "earlier"
    assert main([*command, "--agent", "random", "--out", str(earlier), "-q"]) == ExitCode.OK
    capsys.readouterr()
    arguments = [*command, "--agent", "random", "--compare", str(earlier), "--json"]
    assert main(arguments) == ExitCode.OK
    document = _json(capsys)
    assert len(document["methods"]) == 2
    assert document["comparison"]["difference"] == 0.0


@pytest.mark.parametrize(
    ("rival", "code"),
    [("nowhere", ExitCode.MISSING), ("folder", ExitCode.CONFIG), ("file", ExitCode.USAGE)],
)
def test_nothing_to_compare_with_is_said_before_anything_is_played(
    rival: str,
    code: ExitCode,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("{}")
    arguments = [*command, "--agent", "random", "--compare", str(tmp_path / rival)]
    assert main(arguments) == code
    what, fix = capsys.readouterr().err.splitlines()
    assert str(tmp_path / rival) in what
    assert fix.startswith("fix: ")


def test_a_missing_checkpoint_exits_with_4(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--checkpoint", str(tmp_path / "none")]) == ExitCode.MISSING
    assert f"error: {tmp_path}/none: no such checkpoint." in capsys.readouterr().err


def test_the_results_of_one_agent_are_never_taken_for_anothers(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "eval")
    assert main([*command, "--agent", "expert", "--out", out, "-q"]) == ExitCode.OK
    capsys.readouterr()
    arguments = [*command, "--agent", "random", "--out", out, "-q"]
    assert main(arguments) == ExitCode.CONFIG
    assert "agent was 'expert', now 'random'" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == ExitCode.OK
    assert "0.0%" in capsys.readouterr().out


# report


@pytest.fixture
def two_runs(finished_run: Path, tmp_path: Path) -> list[str]:
    """A finished run and what another seed might have measured: OREO wins one game more."""
    results = load_results(finished_run)
    methods = []
    for method in results.methods:
        games = list(method.games)
        if method.method == "oreo":
            lost = next(i for i, game in enumerate(games) if not game.won)
            games[lost] = msgspec.convert(
                {**msgspec.to_builtins(games[lost]), "outcome": "success"}, type(games[lost])
            )
        methods.append(msgspec.structs.replace(method, games=games))
    other = msgspec.structs.replace(results, seed=1, methods=methods)
    write_result(tmp_path / "other/results.json", other)
    return [str(finished_run), str(tmp_path / "other")]


def test_a_report_pools_runs_and_counts_each(
    two_runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "both.md"
    assert main(["report", *two_runs, "--json", "--markdown", str(file)]) == ExitCode.OK
    document = _json(capsys)
    runs: list[RunResults] = [load_results(Path(run)) for run in two_runs]
    assert document["seeds"] == [0, 1]
    cell = document["methods"]["oreo"]["all"]["all"]
    found = [method for run in runs if (method := run.method("oreo"))]
    assert cell["games"] == 16
    assert cell["successes"] == sum(sum(method.won().values()) for method in found)
    assert {one["test"] for one in document["comparisons"]} == {"sign-flip, clustered by game"}
    assert f"({cell['successes']}/16)" in file.read_text()
    assert main(["report", *two_runs]) == ExitCode.OK
    table = capsys.readouterr().out
    assert f"({cell['successes']}/16)" in table
    for one in document["comparisons"]:
        assert re.search(rf"{one['difference']:+.1%}".replace("+", r"\+"), table)


def test_the_same_seed_is_not_pooled_with_itself(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(finished_run), str(finished_run)]) == ExitCode.USAGE
    assert "seed 0" in capsys.readouterr().err


def test_a_run_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == ExitCode.MISSING
    assert str(tmp_path) in capsys.readouterr().err


def test_damaged_results_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text('{"seed": 0, "sou')
    assert main(["report", str(tmp_path)]) == ExitCode.RUN_FAILED
    assert f"error: {tmp_path}/results.json: " in capsys.readouterr().err


def test_results_of_another_version_are_refused(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = json.loads((finished_run / "results.json").read_text())
    assert written["schema"] == 1
    (tmp_path / "results.json").write_text(json.dumps({**written, "schema": 2}))
    assert main(["report", str(tmp_path)]) == ExitCode.RUN_FAILED
    said = capsys.readouterr().err
    assert f"{tmp_path}/results.json: schema version 2, this program reads 1." in said
    (tmp_path / "results.json").write_text(json.dumps({**written, "sead": 2}))
    assert main(["report", str(tmp_path)]) == ExitCode.RUN_FAILED
    assert "sead" in capsys.readouterr().err
