"""Frozen weights of 4 bits below trained adapters."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from oreo_agent.errors import MissingError
from oreo_agent.models.adapter_roles import AdapterActorCritic, with_adapter
from oreo_agent.models.pretrained import load_pretrained
from tests.models.pretrained_kinds import save_kind

IDS = torch.arange(5, 25)[None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers are as wide as a block of 4-bit weights."""
    folder = tmp_path_factory.mktemp("base") / "llama"
    return save_kind("llama", folder, hidden_size=64, intermediate_size=128)


def _roles(base: Path, policy: Any) -> AdapterActorCritic:
    roles = AdapterActorCritic(with_adapter(policy, 4, name=str(base)))
    torch.manual_seed(0)
    for parameter in roles.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return roles


def _gradients(roles: AdapterActorCritic) -> dict[str, Tensor]:
    roles.zero_grad()
    logits = roles.policy(input_ids=IDS).logits.float()
    logits.log_softmax(-1)[0, :, 3].sum().backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in roles.named_parameters()
        if parameter.grad is not None
    }


def _unpacked(base: Path, packed: Any) -> Any:
    """The model in float32, with the values that the 4-bit weights stand for."""
    from bitsandbytes.functional import dequantize_4bit

    whole = load_pretrained(str(base)).policy
    for name, parameter in packed.named_parameters():
        state = getattr(parameter, "quant_state", None)
        read = parameter if state is None else dequantize_4bit(parameter.data, state)
        whole.get_parameter(name).data = read.detach().float()
    return whole


def test_adapters_get_the_gradients_of_the_weights_that_four_bits_stand_for(base: Path) -> None:
    packed = load_pretrained(str(base), precision="4bit").policy
    expected = _gradients(_roles(base, _unpacked(base, packed)))
    roles = _roles(base, packed)
    with torch.no_grad():  # what is read before, without gradients, changes nothing
        roles.policy(input_ids=IDS)
    found = _gradients(roles)
    assert found.keys() == expected.keys()
    assert len(found) == 28
    for name, gradient in found.items():
        error = (gradient - expected[name]).norm() / expected[name].norm()
        assert error < 0.1, name  # bfloat16 against float32


def test_weights_of_four_bits_take_less_than_a_third_of_the_memory(base: Path) -> None:
    def size(policy: Any) -> int:
        layers = policy.model.layers
        return sum(p.numel() * p.element_size() for p in layers.parameters())

    packed = load_pretrained(str(base), precision="4bit").policy
    assert size(packed) * 3 < size(load_pretrained(str(base), precision="bfloat16").policy)


def test_without_bitsandbytes_it_is_said_what_to_install(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    with pytest.raises(MissingError, match="pip install bitsandbytes"):
        load_pretrained(str(base), precision="4bit")
