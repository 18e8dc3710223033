"""A run, its checkpoint, its episodes and a settings file that version 0.1.0 wrote still open."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.errors import ExitCode
from oreo_agent.monitoring.run_monitor import RunMonitor
from oreo_agent.monitoring.run_status import RunCondition, StageState

HERE = Path(__file__).parent


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a copy of the run, which commands may write to."""
    return Path(shutil.copytree(HERE / "run", tmp_path / "run"))


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == ExitCode.OK
    return capsys.readouterr().out


def test_its_results_are_reported(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(_printed(capsys, "report", str(run), "--json"))
    assert set(report["methods"]) == {"sft", "rejection", "oreo"}


def test_its_stages_are_seen_as_finished(run: Path) -> None:
    status = RunMonitor(run).look()
    assert status.condition is RunCondition.DONE
    assert {stage.state for stage in status.stages} == {StageState.DONE}


def test_its_episodes_are_read(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_printed(capsys, "data", "info", str(run / "episodes/rollouts"), "--json"))
    assert found["episodes"] == 3


def test_its_checkpoint_plays(run: Path, house_folder: Path, tmp_path: Path) -> None:
    code = main(
        [
            *("eval", "alfworld", "--checkpoint", str(run / "checkpoints" / "oreo")),
            *("-s", f"games.source={house_folder}", "-s", "workers=1", "--threads", "1"),
            *("--split", "valid_seen", "--limit", "1", "-s", "games.horizon=3", "--quiet"),
        ]
    )
    assert code == ExitCode.OK


def test_its_settings_are_valid_and_mean_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = HERE / "oreo-agent.toml"
    assert json.loads(_printed(capsys, "config", "validate", str(old), "--json"))["valid"]
    before = json.loads(_printed(capsys, "config", "show", "--config", str(old), "--json"))
    now = json.loads(_printed(capsys, "config", "show", "--preset", "demo", "--json"))
    for key, setting in before["settings"].items():
        assert setting["value"] == now["settings"][key]["value"], key
