"""Adapters are kept beside the name of their base, and come back as they were."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from oreo_agent.errors import ConfigError, MissingError, RunFailedError
from oreo_agent.models.adapter_roles import AdapterActorCritic, with_adapter
from oreo_agent.models.chat import ChatStyle
from oreo_agent.models.checkpoints import (
    Checkpoint,
    CheckpointMeta,
    load_checkpoint,
    load_role_weights,
    save_checkpoint,
    save_roles,
)
from oreo_agent.models.merging import merge_checkpoint
from oreo_agent.models.pretrained import load_pretrained
from tests.models.pretrained_kinds import save_kind

IDS = torch.arange(5, 25)[None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_kind("llama", tmp_path_factory.mktemp("base") / "llama")


def _roles(base: Path, seed: int = 0) -> AdapterActorCritic:
    roles = AdapterActorCritic(
        with_adapter(load_pretrained(str(base)).policy, 4, name=str(base), seed=seed), seed=seed
    )
    torch.manual_seed(seed)
    for parameter in roles.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return roles


def _save(roles: AdapterActorCritic, base: Path, folder: Path) -> Path:
    save_checkpoint(
        folder,
        policy=roles.policy,
        value=roles.value,
        tokenizer=load_pretrained(str(base)).tokenizer,
        meta=CheckpointMeta(method="oreo", chat=ChatStyle(instructions="Act.")),
    )
    return folder


@torch.no_grad()
def _read(roles: AdapterActorCritic | Checkpoint) -> tuple[torch.Tensor, torch.Tensor]:
    policy: Any = roles.policy
    value: Any = roles.value
    mask, positions = torch.ones_like(IDS, dtype=torch.bool), torch.arange(IDS.shape[1])[None]
    return policy(input_ids=IDS, use_cache=False).logits, value(IDS, mask, positions)


def test_policy_and_value_come_back_on_one_base(base: Path, tmp_path: Path) -> None:
    roles = _roles(base)
    loaded = load_checkpoint(_save(roles, base, tmp_path / "c"))
    for found, expected in zip(_read(loaded), _read(roles), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    policy: Any = loaded.policy
    value: Any = loaded.value
    assert policy.shared is value.backbone.shared
    assert loaded.meta.chat == ChatStyle(instructions="Act.")
    names = {file.name for file in (tmp_path / "c" / "policy").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json"} <= names
    assert "model.safetensors" not in names


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
def test_peft_reads_what_was_written(base: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    roles = _roles(base)
    folder = _save(roles, base, tmp_path / "c")
    peft: Any = PeftModel.from_pretrained(load_pretrained(str(base)).policy, folder / "policy")
    with torch.no_grad():
        found = peft(input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(found, _read(roles)[0], atol=1e-5, rtol=1e-5)


def test_a_merged_checkpoint_needs_no_base(base: Path, tmp_path: Path) -> None:
    roles = _roles(base)
    merge_checkpoint(_save(roles, base, tmp_path / "c"), tmp_path / "whole")
    loaded = load_checkpoint(tmp_path / "whole")
    assert loaded.meta.base is None
    for found, expected in zip(_read(loaded), _read(roles), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(ConfigError, match="whole models already"):
        merge_checkpoint(tmp_path / "whole", tmp_path / "again")


def test_learning_goes_on_from_a_checkpoint_with_its_policy_as_the_reference(
    base: Path, tmp_path: Path
) -> None:
    before = _roles(base)
    loaded: Any = load_checkpoint(_save(before, base, tmp_path / "c"))
    roles = AdapterActorCritic(loaded.policy, loaded.value)
    reference: Any = roles.reference
    with torch.no_grad():
        kept = reference(input_ids=IDS, use_cache=False).logits
    for found, expected in zip(
        (*_read(roles), kept), (*_read(before), _read(before)[0]), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_weights_of_a_training_checkpoint_come_back_bit_for_bit(base: Path, tmp_path: Path) -> None:
    saved, other = _roles(base), _roles(base)
    save_roles(tmp_path, policy=saved.policy, value=saved.value)
    for module in (other.policy, other.value):
        for parameter in module.parameters():
            parameter.data.zero_()
    load_role_weights(tmp_path, policy=other.policy, value=other.value)
    for one, two in zip(_read(other), _read(saved), strict=True):
        assert torch.equal(one, two)


def test_a_base_that_is_gone_is_named(base: Path, tmp_path: Path) -> None:
    model = shutil.copytree(base, tmp_path / "model")
    folder = _save(_roles(model), model, tmp_path / "c")
    shutil.rmtree(model)
    with pytest.raises((MissingError, RunFailedError), match="model"):
        load_checkpoint(folder)


def test_an_adapter_of_another_rank_is_refused(base: Path, tmp_path: Path) -> None:
    policy: Any = with_adapter(load_pretrained(str(base)).policy, 2, name=str(base))
    save_roles(tmp_path / "r", policy=policy, value=None)
    with pytest.raises(ConfigError, match="adapter"):
        load_role_weights(tmp_path / "r", policy=_roles(base).policy, value=None)


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="could not load the model"):
        load_pretrained(str(tmp_path / "nothing"), local=True)
