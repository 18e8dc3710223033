"""LoRA roles on one frozen base: who acts, who is trained, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from oreo_agent.learning.config import OREOConfig, SFTConfig
from oreo_agent.learning.losses import oreo_losses
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.learning.sft import SFTTrainer
from oreo_agent.models.actor_critic import ActorCritic
from oreo_agent.models.adapter_roles import AdapterActorCritic, with_adapter
from oreo_agent.models.adapters import AdapterPolicy
from oreo_agent.models.rendering import RenderedEpisode
from tests.models.pretrained_kinds import KINDS, make_kind

IDS = torch.arange(5, 29)[None].repeat(2, 1)


def _roles(kind: str = "llama", *, moved: bool = True, bf16: bool = False) -> AdapterActorCritic:
    policy: Any = make_kind(kind).policy
    if bf16:
        policy = policy.to(torch.bfloat16)
    roles = AdapterActorCritic(with_adapter(policy, 4, name="base"), seed=1)
    if moved:
        torch.manual_seed(2)
        for name in roles.shared.ranks:
            for key, parameter in roles.shared.named_parameters(name):
                if ".lora_B." in key:
                    torch.nn.init.normal_(parameter, std=0.05)
        torch.nn.init.normal_(roles.value.head.weight, std=0.1)
    return roles


def _inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    acted = torch.zeros_like(IDS, dtype=torch.bool)
    acted[:, 5:8] = acted[:, 15:19] = True
    positions = torch.arange(IDS.shape[1])[None].expand_as(IDS)
    return IDS, torch.ones_like(IDS, dtype=torch.bool), positions, acted


def _loss(roles: ActorCritic) -> Tensor:
    inputs = _inputs()
    out = roles(*inputs)
    ends = torch.zeros_like(inputs[3])
    ends[:, 7] = ends[:, 18] = True
    losses = oreo_losses(
        logprobs=out.logprobs,
        reference_logprobs=out.reference_logprobs,
        kl=out.kl,
        values=out.values,
        returns=torch.tensor([1.0, 0.0]),
        state_mask=inputs[3][:, 1:],
        turn_end_mask=ends,
        beta=0.1,
    )
    return losses.total(alpha=0.1, after_state_weight=0.5).sum()


def _gradients(roles: AdapterActorCritic) -> dict[str, Tensor]:
    found = {}
    for role, module in (("policy", roles.policy), ("value", roles.value)):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, f"{role} {name}"
            found[f"{role}.{name}"] = parameter.grad.clone()
    return found


def _logits(policy: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = policy(input_ids=IDS, use_cache=False).logits
    return found


def test_trap_12_the_reference_is_the_base_bit_for_bit_before_and_after_steps() -> None:
    expected = _logits(make_kind("llama").policy)
    roles = _roles(moved=False)
    bare = AdapterPolicy(roles.shared, (), frozen=True)
    assert torch.equal(_logits(bare), expected)
    assert torch.equal(_logits(roles.reference), expected)
    optimizer = torch.optim.SGD([p for p in roles.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        _loss(roles).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(_logits(roles.reference), expected)
    assert not torch.equal(_logits(roles.policy), expected)


def test_trap_12_reading_as_one_role_leaves_the_others_their_gradients() -> None:
    roles = _roles()
    loss = _loss(roles)
    _logits(roles.reference)
    with roles.shared.acting(()):
        loss.backward()
    assert all(bool(gradient.any()) for gradient in _gradients(roles).values())


def test_trap_12_roles_have_adapters_of_their_own_on_a_frozen_base() -> None:
    roles = _roles()
    policy, value = list(roles.policy.parameters()), list(roles.value.parameters())
    assert not {p.data_ptr() for p in policy} & {p.data_ptr() for p in value}
    trained = {id(p) for p in roles.parameters() if p.requires_grad}
    assert trained == {id(p) for p in (*policy, *value)}


def test_trap_12_who_acted_before_acts_again_after_an_error() -> None:
    roles = _roles()
    shared = roles.shared
    policy: Any = roles.policy
    with shared.acting(policy.adapters):
        before = _logits(shared.model)
        with pytest.raises(ZeroDivisionError), shared.acting(()):
            raise ZeroDivisionError
        assert torch.equal(_logits(shared.model), before)
    assert torch.equal(before, _logits(roles.policy))


def test_gradients_under_checkpointing_are_those_without() -> None:
    roles = _roles()
    roles.train()
    _loss(roles).backward()
    expected = _gradients(roles)
    roles.zero_grad()
    roles.activation_checkpointing_enable()
    _loss(roles).backward()
    found = _gradients(roles)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_adapters_are_the_adapters(kind: str) -> None:
    roles = _roles(kind)
    policy: Any = roles.policy
    expected = _logits(policy)
    merged = policy.merged()
    torch.testing.assert_close(_logits(merged), expected, atol=1e-5, rtol=1e-5)
    assert not any("lora" in name for name, _ in merged.named_parameters())


def test_sums_are_fp32_where_the_base_is_bf16() -> None:
    roles = _roles(bf16=True)
    out = roles(*_inputs())
    assert {part.dtype for part in out} == {torch.float32}
    assert {p.dtype for p in roles.parameters() if p.requires_grad} == {torch.float32}


def test_log_ratios_and_kl_are_zero_at_the_start() -> None:
    out = _roles(moved=False)(*_inputs())
    assert torch.equal(out.logprobs, out.reference_logprobs)
    assert not out.kl.any()
    assert not out.values.any()


def _episodes() -> list[RenderedEpisode]:
    mask = _inputs()[3][0].tolist()
    return [
        RenderedEpisode(
            token_ids=IDS[0].tolist(),
            action_mask=mask,
            turn_ends=[7, 18],
            ret=float(number % 2),
            won=number % 2 == 1,
            id=str(number),
        )
        for number in range(4)
    ]


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_of_oreo_moves_policy_and_value_and_nothing_else(
    kind: str, lora: bool, tmp_path: Path
) -> None:
    policy = make_kind(kind).policy
    model = (
        AdapterActorCritic(with_adapter(policy, 4, name="base")) if lora else ActorCritic(policy)
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    settings = OREOConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        per_device_train_batch_size=4,
        max_steps=2,
        learning_rate=1e-2,
        warmup_steps=0,
        save_strategy="no",
        report_to=[],
    )
    trainer = OREOTrainer(model, settings, _episodes(), pad_token_id=0)
    trainer.train()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert moved <= trained
    assert any("value" in name for name in moved)
    assert any("policy" in name for name in moved)
    if not lora:
        assert not any(name.startswith("reference") for name in moved)


def test_fine_tuning_an_adapter_moves_it_alone(tmp_path: Path) -> None:
    policy: Any = with_adapter(make_kind("llama").policy, 4, name="base")
    before = {name: p.detach().clone() for name, p in policy.whole.named_parameters()}
    settings = SFTConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        max_steps=2,
        learning_rate=1e-2,
        warmup_steps=0,
        save_strategy="no",
        report_to=[],
    )
    SFTTrainer(policy, settings, _episodes(), pad_token_id=0).train()
    moved = {n for n, p in policy.whole.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert all(".lora_" in name for name in moved)
