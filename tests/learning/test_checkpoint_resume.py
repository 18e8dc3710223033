"""Saving, resuming, and the best point of a training."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from oreo_agent.errors import ConfigError, MissingError, RunFailedError
from oreo_agent.learning.base_trainer import EpisodeTrainer
from oreo_agent.learning.checkpoint_resume import last_complete_checkpoint
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.models.actor_critic import ActorCritic
from tests.learning.tiny_training import (
    KINDS,
    StopAt,
    episodes,
    rollouts,
    tiny_policy,
    trainer,
    weights,
)

OTHERS = [kind for kind in KINDS if kind not in ("oreo", "sft")]
TINY_TRAINING = Path(__file__).with_name("tiny_training.py")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    ("kind", "stop"),
    [("oreo", 3), ("oreo", 7), ("oreo", 8), ("sft", 7), ("sft", 8), *((k, 3) for k in OTHERS)],
)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    kind: str, stop: int, tmp_path: Path
) -> None:
    data = rollouts(18)  # 5 updates an epoch
    options: dict[str, Any] = {
        "save_strategy": "steps",
        "save_steps": 2,
        "logging_steps": 3,  # a checkpoint falls in the middle of a log line
        "max_steps": 8,  # and the last update in the middle of an epoch
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
    }
    whole = trainer(kind, tmp_path / "whole", data, **options)
    whole.train()
    torn = trainer(kind, tmp_path / "torn", data, callbacks=[StopAt(stop)], **options)
    torn.train()
    resumed = trainer(kind, tmp_path / "torn", data, **options)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == whole.state.global_step == 8
    assert same(weights(whole), weights(resumed))
    clock = {"train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos"}
    assert [
        {key: value for key, value in entry.items() if key not in clock}
        for entry in resumed.state.log_history
    ] == [
        {key: value for key, value in entry.items() if key not in clock}
        for entry in whole.state.log_history
    ]


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    data = episodes(16)
    run = trainer("oreo", tmp_path, data, save_strategy="steps", save_steps=3)
    run.train()
    newest = last_complete_checkpoint(tmp_path)
    assert newest == str(tmp_path / "checkpoint-8")
    state = Path(newest) / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:40])
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-6")


def test_checkpoints_hold_no_pickled_settings_and_no_reference(tmp_path: Path) -> None:
    trainer("oreo", tmp_path, episodes(4), save_strategy="steps", save_steps=1).train()
    folder = tmp_path / "checkpoint-1"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"policy/model.safetensors", "value/head.safetensors", "reference.sha256"} <= names
    assert "training_args.bin" not in names
    assert not any(name.startswith("reference/") for name in names)
    assert json.loads((folder / "training_args.json").read_text())["beta"] == 0.03


def test_resuming_against_another_reference_is_refused(tmp_path: Path) -> None:
    data = episodes(4)
    trainer("oreo", tmp_path, data, save_strategy="steps", save_steps=1).train()
    other = OREOTrainer(
        ActorCritic(tiny_policy(seed=5)),
        OREOConfig(output_dir=str(tmp_path), use_cpu=True),
        data,
        pad_token_id=0,
    )
    with pytest.raises(ConfigError, match="another reference"):
        other.train(resume_from_checkpoint=True)


def test_resuming_from_nothing_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no complete training checkpoint"):
        trainer("sft", tmp_path, episodes(4)).train(resume_from_checkpoint=str(tmp_path / "none"))


def imitation(folder: Path, **options: Any) -> EpisodeTrainer[Any]:
    """Return a training whose best point comes early: random tokens cannot be learnt."""
    settings: dict[str, Any] = {
        "held_out": episodes(40, seed=1),
        "num_train_epochs": 10,  # 20 updates
        "learning_rate": 1e-2,
        "eval_strategy": "steps",
        "eval_steps": 4,
        "save_strategy": "steps",
        "save_steps": 4,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "save_total_limit": 2,
        **options,
    }
    return trainer("sft", folder, episodes(8), **settings)


def test_imitation_keeps_its_best_held_out_point(tmp_path: Path) -> None:
    run = imitation(tmp_path, save_total_limit=1)
    run.train()
    losses = [entry["eval_loss"] for entry in run.state.log_history if "eval_loss" in entry]
    assert min(losses) < losses[-1]
    metrics = run.evaluate()
    assert metrics["eval_loss"] == pytest.approx(min(losses), rel=1e-6)
    assert 0 <= metrics["eval_accuracy"] <= 1


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[EpisodeTrainer[Any], Path]:
    """A training that has ended, and its folder; leave it as it is."""
    folder = tmp_path_factory.mktemp("ended")
    run = imitation(folder)
    run.train()
    assert run.state.best_global_step
    assert run.state.best_global_step < run.state.global_step
    return run, folder


@pytest.fixture
def folder_of_ended(ended: tuple[EpisodeTrainer[Any], Path], tmp_path: Path) -> Path:
    """A copy of that folder; the paths that it records are those of the original."""
    return Path(shutil.copytree(ended[1], tmp_path / "copy"))


def test_an_ended_run_that_is_resumed_keeps_its_best_point(
    ended: tuple[EpisodeTrainer[Any], Path],
) -> None:
    again = imitation(ended[1])
    again.train(resume_from_checkpoint=True)
    assert same(weights(ended[0]), weights(again))


def test_an_ended_run_that_was_moved_keeps_its_best_point(
    ended: tuple[EpisodeTrainer[Any], Path], folder_of_ended: Path
) -> None:
    best = f"checkpoint-{ended[0].state.best_global_step}"
    for state in folder_of_ended.glob("*/trainer_state.json"):  # where it lay is no more
        state.write_text(state.read_text().replace(str(ended[1]), f"{ended[1]}-gone"))
    moved = imitation(folder_of_ended)
    moved.train(resume_from_checkpoint=True)
    assert moved.state.best_model_checkpoint == str(folder_of_ended / best)
    assert same(weights(ended[0]), weights(moved))


def test_a_run_moved_in_the_middle_ends_at_the_same_best_point(
    ended: tuple[EpisodeTrainer[Any], Path], tmp_path: Path
) -> None:
    imitation(tmp_path / "before", callbacks=[StopAt(11)]).train()
    (tmp_path / "before").rename(tmp_path / "after")
    resumed = imitation(tmp_path / "after")
    resumed.train(resume_from_checkpoint=True)
    best = f"checkpoint-{ended[0].state.best_global_step}"
    assert resumed.state.best_model_checkpoint == str(tmp_path / "after" / best)
    assert same(weights(ended[0]), weights(resumed))


def test_a_best_point_that_is_gone_is_said(
    ended: tuple[EpisodeTrainer[Any], Path], folder_of_ended: Path
) -> None:
    best = folder_of_ended / f"checkpoint-{ended[0].state.best_global_step}"
    shutil.rmtree(best)
    with pytest.raises(MissingError, match="the best one so far") as caught:
        imitation(folder_of_ended).train(resume_from_checkpoint=True)
    assert str(best) in str(caught.value)


@pytest.mark.parametrize("kind", ["oreo", "sft"])
def test_a_disk_that_fills_while_saving_is_said_and_leaves_no_part(
    kind: str, tmp_path: Path
) -> None:
    run = trainer(kind, tmp_path, episodes(8), save_strategy="steps", save_steps=1, max_steps=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RunFailedError, match=r"could not write .*checkpoint-1"):
            run.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "checkpoint-1").exists()


_CHILD = """
import sys
from pathlib import Path
import torch
from importlib.util import module_from_spec, spec_from_file_location
torch.set_num_threads(1)
spec = spec_from_file_location("training", sys.argv[1])
training = module_from_spec(spec)
sys.modules["training"] = training
spec.loader.exec_module(training)
run = training.trainer(
    "oreo", Path(sys.argv[2]), training.episodes(18), save_strategy="steps", save_steps=1,
    max_steps=60, save_total_limit=2,
)
run.train(resume_from_checkpoint=True)
torch.save(training.weights(run), Path(sys.argv[2]) / "weights.pt")
"""


@pytest.mark.slow
def test_killed_training_ends_as_unbroken_training_bit_for_bit(tmp_path: Path) -> None:
    def start(folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-c", _CHILD, str(TINY_TRAINING), str(folder)])

    assert start(tmp_path / "whole").wait(120) == 0
    for steps in (5, 22, 41):
        child = start(tmp_path / "killed")
        while child.poll() is None and not (tmp_path / "killed" / f"checkpoint-{steps}").exists():
            time.sleep(0.01)
        child.kill()
        assert child.wait(30) == -9
    assert start(tmp_path / "killed").wait(120) == 0
    whole = torch.load(tmp_path / "whole" / "weights.pt", weights_only=True)
    killed = torch.load(tmp_path / "killed" / "weights.pt", weights_only=True)
    assert all(torch.equal(whole[name], tensor) for name, tensor in killed.items())
