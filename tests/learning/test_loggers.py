"""Metrics in TensorBoard, trackio and W&B: what they wrote is read back with their own readers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.cli.app import main
from oreo_agent.errors import ExitCode
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.methods.sft import imitate
from oreo_agent.learning.oreo_trainer import OREOTrainer
from tests.learning.tiny_training import episodes, tiny_job, tiny_policy

SETTINGS: dict[str, Any] = {
    "max_steps": 3,
    "logging_steps": 1,
    "per_device_train_batch_size": 4,
    "save_strategy": "no",
    "use_cpu": True,
}


def _train(folder: Path, report_to: str) -> list[dict[str, Any]]:
    """Train for three updates, and return the library's own log of them."""
    config = OREOConfig(
        output_dir=str(folder), report_to=report_to, run_name="tiny", project="loggers", **SETTINGS
    )
    trainer = OREOTrainer(tiny_policy(), config, episodes(12), pad_token_id=0)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what event files under a folder hold, (update, value) by name."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    [file] = folder.rglob("events.out.tfevents.*")
    events = reader.EventAccumulator(str(file))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the reader
def test_tensorboard_has_every_metric_of_every_update(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    history = _train(tmp_path, "tensorboard")
    scalars = _scalars(tmp_path)
    assert len(history) == 3
    for name in ("loss", "loss_value", "log_ratio_won", "beta_effective"):
        expected = [(row["step"], row[name]) for row in history if name in row]
        assert dict(scalars[f"train/{name}"]) == pytest.approx(dict(expected), rel=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_stage_of_a_run_is_logged_beside_its_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    job = tiny_job(tmp_path, steps=3, report_to="tensorboard")
    imitate(job, lr=1e-3)
    rows = [json.loads(line) for line in job.options.metrics.read_text().splitlines()]
    expected = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert dict(_scalars(tmp_path / "logs" / "tiny")["train/loss"]) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_logs_each_stage_to_tensorboard(
    tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    out = tmp_path / "run"
    sets = [flag for setting in tiny_settings for flag in ("-s", setting)]
    command = ["train", "alfworld", "--out", str(out), *sets, "--report-to", "tensorboard", "-q"]
    assert main([*command, "--json"]) == ExitCode.OK
    for line in capsys.readouterr().out.splitlines():
        json.loads(line)  # nothing else is printed
    for stage in ("sft", "oreo"):
        lines = (out / f"metrics/{stage}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        losses = [(row["step"], row["loss"]) for row in rows if "loss" in row]
        assert losses
        logged = dict(_scalars(out / "logs" / stage)["train/loss"])
        assert logged == pytest.approx(dict(losses), rel=1e-5)


def test_a_logger_that_is_not_installed_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    out = tmp_path / "run"
    assert (
        main(["train", "alfworld", "--out", str(out), "--report-to", "wandb"]) == ExitCode.MISSING
    )
    assert "pip install wandb" in capsys.readouterr().err
    assert not out.exists()


def test_an_unknown_logger_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "alfworld", "--out", str(tmp_path / "run"), "--report-to", "paper"]
    assert main(command) == ExitCode.CONFIG
    assert "tensorboard" in capsys.readouterr().err


_SCRIPT = """
import sys
from pathlib import Path
from tests.learning.test_loggers import _train
history = _train(Path(sys.argv[1]), sys.argv[2])
print("LOSSES", [row["loss"] for row in history])
"""


def _train_apart(folder: Path, report_to: str, environment: dict[str, str]) -> list[float]:
    """Train in a process of its own: these loggers start threads and processes."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder), report_to],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("LOSSES ")]
    losses: list[float] = json.loads(line.removeprefix("LOSSES "))
    return losses


@pytest.mark.slow
def test_wandb_has_the_losses_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    losses = _train_apart(tmp_path / "run", "wandb", dict(os.environ))
    [file] = tmp_path.rglob("*.wandb")
    kept = file.read_bytes()
    assert b"train/loss" in kept
    assert all(repr(loss).encode() in kept for loss in losses)  # values are kept as JSON text


@pytest.mark.slow
def test_trackio_has_the_losses_in_its_local_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio")
    import sqlite3

    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HOME", str(tmp_path))
    losses = _train_apart(tmp_path / "run", "trackio", dict(os.environ))
    [file] = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(file) as database:
        rows = [json.loads(row[0]) for row in database.execute("SELECT metrics FROM metrics")]
    database.close()
    logged = [row["train/loss"] for row in rows if "train/loss" in row]
    assert logged == pytest.approx(losses)
