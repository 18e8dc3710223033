from __future__ import annotations

import json
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.errors import ExitCode


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_unknown_key_exits_3_and_suggests_the_right_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "show", "-s", "oreo.bta=1"]) == ExitCode.CONFIG
    assert "Did you mean 'oreo.beta'?" in capsys.readouterr().err


def test_show_tells_the_source_of_each_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("oreo-agent.toml").write_text("seed = 4\n", encoding="utf-8")
    monkeypatch.setenv("OREO_AGENT_OREO__BETA", "0.5")
    arguments = ["config", "show", "--preset", "smoke", "-s", "threads=1", "--json"]
    assert main(arguments) == ExitCode.OK
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings["seed"] == {"value": 4, "source": str(Path.cwd() / "oreo-agent.toml")}
    assert settings["oreo.beta"] == {"value": 0.5, "source": "OREO_AGENT_OREO__BETA"}
    assert settings["threads"] == {"value": 1, "source": "-s"}
    assert settings["games.train"]["source"] == "--preset smoke"
    assert settings["save_every"]["source"] == "default"


def test_the_table_shows_the_same_values_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--json"]) == ExitCode.OK
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert main(["config", "show"]) == ExitCode.OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[0] for row in rows} == set(settings)
    assert all(row[-1] == "default" for row in rows)


def test_what_init_writes_is_valid_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "init", "run.toml"]) == ExitCode.OK
    assert main(["config", "validate", "run.toml"]) == ExitCode.OK
    capsys.readouterr()
    assert main(["config", "show", "--json"]) == ExitCode.OK
    defaults = json.loads(capsys.readouterr().out)["settings"]
    assert main(["config", "show", "-c", "run.toml", "--json"]) == ExitCode.OK
    written = json.loads(capsys.readouterr().out)["settings"]
    assert {k: v["value"] for k, v in written.items()} == {
        k: v["value"] for k, v in defaults.items()
    }
    assert all(v["source"] == "run.toml" for v in written.values())


def test_init_does_not_overwrite_without_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text("seed = 9\n", encoding="utf-8")
    assert main(["config", "init", "run.toml"]) == ExitCode.USAGE
    assert Path("run.toml").read_text("utf-8") == "seed = 9\n"
    assert "--force" in capsys.readouterr().err


def test_validate_names_line_and_key_of_a_wrong_value(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text('[oreo]\n\nbeta = "much"\n', encoding="utf-8")
    assert main(["config", "validate", "run.toml"]) == ExitCode.CONFIG
    assert capsys.readouterr().err == (
        "error: run.toml, line 3: oreo.beta is 'much'.\nfix: It must be a number, above 0.\n"
    )


def test_validate_of_a_missing_file_exits_3() -> None:
    assert main(["config", "validate", "none.toml"]) == ExitCode.CONFIG


def test_validate_checks_the_keys_and_the_theme_of_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("x.toml").write_text('[screen]\ntheme = "oreo-light"\n[keys]\n"live.step" = "F"\n')
    assert main(["config", "validate", "x.toml", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["keys"] == ["screen.theme", "keys.live.step"]
    Path("x.toml").write_text('[keys]\n"live.stp" = "F"\n')
    assert main(["config", "validate", "x.toml"]) == ExitCode.CONFIG
    assert capsys.readouterr().err == (
        "error: x.toml: [keys] there is no action 'live.stp'.\nfix: Did you mean 'live.step'?\n"
    )
    Path("x.toml").write_text('[screen]\ntheme = "oreo-drak"\n')
    assert main(["config", "validate", "x.toml"]) == ExitCode.CONFIG
    assert "Did you mean 'oreo-dark'?" in capsys.readouterr().err


def test_a_run_passes_over_the_settings_of_the_screen_and_show_names_their_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("oreo-agent.toml").write_text('[keys]\n"live.step" = "F"\n[screen]\nmouse = false\n')
    assert main(["config", "show", "--json"]) == ExitCode.OK
    settings = json.loads(capsys.readouterr().out)["settings"]
    source = str(Path.cwd() / "oreo-agent.toml")
    assert settings["keys.live.step"] == {"value": "F", "source": source}
    assert settings["screen.mouse"] == {"value": False, "source": source}
    assert settings["keys.live.run"] == {"value": "r", "source": "default"}
