"""Two processes learn what one learns; each run is a real one, started with torchrun."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM

from oreo_agent.errors import ConfigError
from oreo_agent.learning.distributed import Share, check_processes, clip_gradients
from tests.learning.tiny_training import tiny_policy, trainer
from tests.learning.two_processes import METHODS, data, make, whole_weights

_RUNS = {
    "ddp": ("ddp", "oreo"),
    "ddp-others": ("ddp", "sft", "dpo", "kto", "resumed"),
    "fsdp": ("fsdp", *METHODS, "resumed"),
}
"""Name to mode and kinds, for one start of two processes each."""


def _runs_with(*kinds: str) -> list[Any]:
    return [
        pytest.param(run, kind, marks=[] if run == "ddp" else pytest.mark.slow, id=f"{run}-{kind}")
        for run, (_, *held) in _RUNS.items()
        for kind in kinds
        if kind in held
    ]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a run to the folder of what two processes learned in it."""

    @functools.cache
    def learn(run: str) -> Path:
        folder = tmp_path_factory.mktemp(run)
        mode, *kinds = _RUNS[run]
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", "2", "-m", "tests.learning.two_processes"),
                *(str(folder), mode, *kinds),
            ],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-4000:]
        return folder

    return learn


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Kind to one process's weights before and after, and its log."""

    @functools.cache
    def learn(kind: str) -> Any:
        made = make(kind, tmp_path_factory.mktemp(kind), 4)
        before = whole_weights(made)
        made.train()
        made.evaluate()
        return before, whole_weights(made), made.state.log_history

    return learn


def _figures(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    # Without wall-clock time, and AUC, which jumps where two values change places.
    noise = ("runtime", "per_second", "auc")
    return [
        {name: figure for name, figure in line.items() if not any(part in name for part in noise)}
        for line in lines
    ]


def _log(path: Path) -> list[dict[str, float]]:
    return _figures(json.loads(path.with_suffix(".json").read_text("utf-8")))


@pytest.mark.parametrize(("run", "kind"), _runs_with(*METHODS))
def test_two_processes_end_with_the_weights_of_one(
    learned: Callable[[str], Path], alone: Callable[[str], Any], run: str, kind: str
) -> None:
    before, after, _ = alone(kind)
    found = load_file(learned(run) / f"{kind}.safetensors")
    assert found.keys() == after.keys()
    for name, expected in after.items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-6)
    assert any((after[name] - before[name]).abs().max() > 3e-3 for name in after)


@pytest.mark.parametrize(("run", "kind"), _runs_with(*METHODS))
def test_two_processes_log_the_losses_and_metrics_of_one(
    learned: Callable[[str], Path], alone: Callable[[str], Any], run: str, kind: str
) -> None:
    expected, found = _figures(alone(kind)[2]), _log(learned(run) / kind)
    assert [line.keys() for line in found] == [line.keys() for line in expected]
    assert any("eval_loss" in line for line in found)
    for line, other in zip(found, expected, strict=True):
        assert line == pytest.approx(other, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("run", "kind"), _runs_with("resumed"))
def test_two_processes_that_were_interrupted_end_with_the_weights_of_unbroken_ones(
    learned: Callable[[str], Path], run: str, kind: str
) -> None:
    expected = load_file(learned(run) / "unbroken.safetensors")
    found = load_file(learned(run) / f"{kind}.safetensors")
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name
    lines = _log(learned(run) / kind), _log(learned(run) / "unbroken")
    for line, other in zip(*lines, strict=True):
        assert line == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize(("run", "kind"), _runs_with("resumed"))
def test_a_checkpoint_of_two_processes_holds_the_whole_weights_of_the_trained_roles(
    learned: Callable[[str], Path], run: str, kind: str
) -> None:
    folder = learned(run) / kind / "checkpoint-6"
    policy = AutoModelForCausalLM.from_pretrained(folder / "policy").state_dict()
    for name, tensor in load_file(learned(run) / f"{kind}.safetensors").items():
        if name.startswith("policy."):
            assert torch.equal(policy[name.removeprefix("policy.")], tensor), name
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"policy", "value"}
    assert not [path for path in folder.glob("*model*") if path.is_file()]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("items", [1, 7, 12])
def test_every_held_out_batch_is_in_one_share_and_processes_run_in_step(
    tmp_path: Path, items: int, count: int
) -> None:
    held_out = data("sft")[0][:items]
    made = trainer("sft", tmp_path, held_out, held_out=held_out)
    sampler = SequentialSampler(held_out)

    def share(index: int, of: int) -> Share:
        args: Any = SimpleNamespace(
            process_index=index,
            world_size=of,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
        )
        return Share(made.eval_dataset, sampler, 2, args, made.data_collator)

    def ids(batches: Iterable[Any]) -> list[list[list[int]]]:
        return [batch["input_ids"].tolist() for batch in batches]

    shares = [share(index, count) for index in range(count)]
    dealt = [batch for one in shares for batch in ids(one)]
    assert sorted(dealt) == sorted(ids(share(0, 1)))
    assert len({len(ids(one)) + len(ids(one.spare())) for one in shares}) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"deepspeed": "zero2.json"}, "DeepSpeed"),
        ({"world_size": 1}, "one process"),
        ({"fsdp_version": 1}, "FSDP2"),
        ({"state_dict_type": "SHARDED_STATE_DICT"}, "FULL_STATE_DICT"),
        ({"cpu_ram_efficient_loading": True}, "without weights"),
    ],
)
def test_sharding_that_is_not_supported_is_refused(options: dict[str, Any], named: str) -> None:
    args = _sharded_arguments(**options)
    with pytest.raises(ConfigError, match=named):
        check_processes(args, tiny_policy())


def test_the_layers_of_the_policy_are_what_is_sharded() -> None:
    args = _sharded_arguments(bf16=True)
    check_processes(args, tiny_policy())
    plugin = args.fsdp_plugin_args
    assert plugin["transformer_cls_names_to_wrap"] == "LlamaDecoderLayer"
    assert plugin["mixed_precision_policy"].output_dtype == torch.float32


def _sharded_arguments(**changes: Any) -> Any:
    plugin = {
        name: changes.get(name, usual)
        for name, usual in (
            ("fsdp_version", 2),
            ("state_dict_type", "FULL_STATE_DICT"),
            ("cpu_ram_efficient_loading", False),
        )
    }
    usual = {"n_gpu": 0, "deepspeed": None, "world_size": 2, "bf16": False}
    return SimpleNamespace(**{**usual, **changes}, fsdp_plugin_args=plugin)


def test_gradients_are_clipped_by_their_joint_norm() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    for parameter, gradient in zip(parameters, ([3.0, 0.0], [0.0, 4.0]), strict=True):
        parameter.grad = torch.tensor(gradient)
    assert clip_gradients(parameters, 1.0).item() == pytest.approx(5)
    found = torch.cat([parameter.grad for parameter in parameters])  # type: ignore[misc]
    torch.testing.assert_close(found, torch.tensor([0.6, 0, 0, 0.8]))
