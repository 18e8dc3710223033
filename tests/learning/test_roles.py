"""The losses through real transformers (traps 3, 5, 7, 8, 11, 13, 14, 15, 17, 19)."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest
import torch
from torch import Tensor
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from oreo_agent.errors import ConfigError
from oreo_agent.learning.batch import EpisodeBatch, EpisodeCollator, EpisodeDataset
from oreo_agent.learning.losses import OREOLosses, oreo_losses
from oreo_agent.models.actor_critic import (
    ActorCritic,
    ActorCriticOutput,
    ValueModel,
    agent_logits,
    check_output_head,
    hidden_states,
)
from oreo_agent.models.rendering import RenderedEpisode

VOCABULARY = 23
PAD = END = 1


def tiny_policy(seed: int = 0, **options: object) -> LlamaForCausalLM:
    settings: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,
        "pad_token_id": PAD,
        "eos_token_id": END,
        **options,
    }
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**settings))


def episode(turns: int, *, seed: int, won: bool = True) -> RenderedEpisode:
    """Return an episode of ``turns`` turns: 3 observed tokens, then 2 tokens and END."""
    draw = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    mask: list[bool] = []
    ends: list[int] = []
    for _ in range(turns):
        ids += [*torch.randint(2, VOCABULARY, (5,), generator=draw).tolist(), END]
        mask += [False] * 3 + [True] * 3
        ends.append(len(ids) - 1)
    return RenderedEpisode(
        token_ids=ids, action_mask=mask, turn_ends=ends, ret=float(won), won=won, id=str(seed)
    )


def collate(
    episodes: list[RenderedEpisode], side: Literal["left", "right"] = "right"
) -> EpisodeBatch:
    dataset = EpisodeDataset(episodes, max_length=128)
    collator = EpisodeCollator(pad_token_id=PAD, padding_side=side)
    return collator([dataset[i] for i in range(len(dataset))])


def tiny_gpt2(seed: int = 0) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2, initializer_range=0.2
    )
    return GPT2LMHeadModel(config)


def moved_actor_critic(
    policy: PreTrainedModel | None = None, reference: PreTrainedModel | None = None
) -> ActorCritic:
    """Return roles that differ from each other, as after some training."""
    model = ActorCritic(policy or tiny_policy(0), reference=reference or tiny_policy(1))
    torch.manual_seed(2)
    torch.nn.init.normal_(model.value.head.weight)
    return model


def run(model: ActorCritic, batch: EpisodeBatch) -> tuple[ActorCriticOutput, OREOLosses]:
    output = model(
        batch["input_ids"], batch["attention_mask"], batch["position_ids"], batch["action_mask"]
    )
    losses = oreo_losses(
        logprobs=output.logprobs,
        reference_logprobs=output.reference_logprobs,
        kl=output.kl,
        values=output.values,
        returns=batch["returns"],
        state_mask=batch["action_mask"][:, 1:],
        turn_end_mask=batch["turn_end_mask"],
        beta=0.3,
    )
    return output, losses


def gradients(model: ActorCritic, batch: EpisodeBatch) -> tuple[Tensor, list[Tensor]]:
    """Return the loss a trajectory and the gradients of the batch mean."""
    model.zero_grad()
    total = run(model, batch)[1].total(alpha=0.1, after_state_weight=0.7)
    torch.autograd.backward(total.mean())
    return total.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_trap_03_each_loss_reaches_its_own_role_only() -> None:
    batch = collate([episode(2, seed=0), episode(3, seed=1, won=False)])
    for terms, mine, others in (
        (("policy", "kl"), "policy", ("value", "reference")),
        (("value", "after_state"), "value", ("policy", "reference")),
    ):
        model = moved_actor_critic()
        losses = run(model, batch)[1]
        torch.autograd.backward(torch.stack([getattr(losses, term).sum() for term in terms]).sum())
        assert all(p.grad is not None for p in getattr(model, mine).parameters())
        for other in others:
            assert all(p.grad is None for p in getattr(model, other).parameters())


def test_trap_04_log_probabilities_belong_to_the_token_that_follows() -> None:
    model = moved_actor_critic()
    one = episode(2, seed=0)
    output, _ = run(model, collate([one]))
    ids = torch.tensor([one.token_ids])
    with torch.no_grad():
        whole = torch.log_softmax(model.policy(input_ids=ids).logits, -1)
        reference = torch.log_softmax(model.reference(input_ids=ids).logits, -1)
    for t in range(len(one.token_ids) - 1):
        expected = whole[0, t, one.token_ids[t + 1]].item() if one.action_mask[t + 1] else 0.0
        assert output.logprobs[0, t].item() == pytest.approx(expected, abs=1e-5)
        if one.action_mask[t + 1]:
            kl = (whole[0, t].exp() * (whole[0, t] - reference[0, t])).sum().item()
            assert output.kl[0, t].item() == pytest.approx(kl, abs=1e-5)


def test_trap_05_observation_content_moves_only_what_comes_after() -> None:
    model = moved_actor_critic()
    one = episode(3, seed=0)
    ids = list(one.token_ids)
    ids[7] = (ids[7] + 1) % VOCABULARY  # observation of the second turn
    other = dataclasses.replace(one, token_ids=ids)
    before, after = run(model, collate([one]))[0], run(model, collate([other]))[0]
    torch.testing.assert_close(before.values[:, :7], after.values[:, :7], rtol=0, atol=1e-6)
    torch.testing.assert_close(before.logprobs[:, :6], after.logprobs[:, :6], rtol=0, atol=1e-6)
    assert (before.values[:, 7:] - after.values[:, 7:]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_trap_07_padding_changes_no_loss_and_no_gradient(
    side: Literal["left", "right"], family: str
) -> None:
    # GPT-2 has absolute positions: it would notice if padding were counted.
    policies = [tiny_policy(i) if family == "llama" else tiny_gpt2(i) for i in (0, 1)]
    model = moved_actor_critic(*policies)
    short, long = episode(1, seed=0), episode(4, seed=1, won=False)
    together, gradient = gradients(model, collate([short, long], side))
    alone = [gradients(model, collate([one])) for one in (short, long)]
    torch.testing.assert_close(together, torch.cat([a[0] for a in alone]), rtol=1e-5, atol=1e-5)
    for joint, first, second in zip(gradient, alone[0][1], alone[1][1], strict=True):
        scale = (first + second).abs().max()
        assert (joint - (first + second) / 2).abs().max() <= 1e-5 * scale


def test_trap_07_positions_count_real_tokens() -> None:
    batch = collate([episode(1, seed=0), episode(2, seed=1)], "left")
    assert batch["position_ids"][0].tolist() == [0] * 6 + [0, 1, 2, 3, 4, 5]
    assert batch["position_ids"][1].tolist() == list(range(12))


@pytest.mark.parametrize("side", ["left", "right"])
def test_trap_08_an_end_token_equal_to_the_padding_keeps_its_log_ratio(
    side: Literal["left", "right"],
) -> None:
    batch = collate([episode(1, seed=0), episode(2, seed=1)], side)
    output, _ = run(moved_actor_critic(), batch)
    ends = batch["turn_end_mask"][:, 1:]
    assert (batch["input_ids"][:, 1:][ends] == PAD).all()
    assert ends.sum() == 3
    assert (output.logprobs[ends] != 0).all()
    assert (output.logprobs != 0).sum() == 9
    assert batch["attention_mask"].sum(-1).tolist() == [6, 12]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_trap_11_at_the_start_policy_equals_reference_exactly(family: str) -> None:
    # Dropout is on in both configs: the roles must switch it off.
    policy = tiny_policy(attention_dropout=0.5) if family == "llama" else tiny_gpt2()
    model = ActorCritic(policy).train()
    batch = collate([episode(2, seed=0), episode(5, seed=1, won=False)])
    output, losses = run(model, batch)
    assert torch.equal(output.logprobs, output.reference_logprobs)
    assert output.kl.abs().max() == 0
    torch.testing.assert_close(losses.policy, batch["returns"].square(), rtol=0, atol=0)
    torch.autograd.backward(losses.kl.sum())
    gradient = max(p.grad.abs().max().item() for p in policy.parameters() if p.grad is not None)
    assert gradient < 1e-7


def test_trap_13_roles_share_no_storage() -> None:
    model = ActorCritic(tiny_policy())
    owners = [
        {p.untyped_storage().data_ptr() for p in role.parameters()}
        for role in (model.policy, model.value, model.reference)
    ]
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]


def test_trap_14_value_is_zero_at_the_start() -> None:
    output, _ = run(ActorCritic(tiny_policy()), collate([episode(3, seed=0)]))
    assert torch.equal(output.values, torch.zeros_like(output.values))


def test_trap_15_candidates_that_differ_in_their_last_token_get_their_own_value() -> None:
    # The same state, two one-token actions, one of which wins; then END ends the turn.
    def candidate(token: int) -> RenderedEpisode:
        return RenderedEpisode(
            token_ids=[2, 3, 4, token],
            action_mask=[False, False, False, True],
            turn_ends=[3],
            ret=float(token == 9),
            won=token == 9,
            id=str(token),
        )

    model = ActorCritic(tiny_policy())
    batch = collate([candidate(8), candidate(9)])
    optimiser = torch.optim.Adam(model.value.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(
            run(model, batch)[1].total(alpha=0.0, after_state_weight=1.0).mean()
        )
        optimiser.step()
    values = run(model, batch)[0].values
    assert values[0, 3].item() == pytest.approx(0.0, abs=0.1)
    assert values[1, 3].item() == pytest.approx(1.0, abs=0.1)
    # One token earlier they are one and the same state.
    assert values[0, 2].item() == pytest.approx(values[1, 2].item(), abs=1e-6)


def test_trap_17_everything_that_enters_a_loss_is_fp32_under_mixed_precision() -> None:
    model = moved_actor_critic().to(torch.bfloat16)
    batch = collate([episode(20, seed=0)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = run(model, batch)
    assert {tensor.dtype for tensor in output} == {torch.float32}
    # log-softmax of the same bf16 logits, done in fp64.
    with torch.no_grad():
        logits = model.policy(input_ids=batch["input_ids"]).logits.double()
    exact = torch.log_softmax(logits, -1)[:, :-1].gather(2, batch["input_ids"][:, 1:, None])[..., 0]
    exact = torch.where(batch["action_mask"][:, 1:], exact, 0.0)
    assert (output.logprobs.sum() - exact.sum()).abs() < 0.1


def test_trap_19_the_end_of_a_turn_is_an_action() -> None:
    batch = collate([episode(2, seed=0)])
    assert (batch["action_mask"] & batch["turn_end_mask"]).sum() == 2
    with pytest.raises(ValueError, match="did not write"):
        RenderedEpisode(
            token_ids=[2, 3], action_mask=[False, True], turn_ends=[0], ret=0.0, won=False, id="x"
        )


def test_trap_23_observation_logits_do_not_enter_the_kl() -> None:
    output, losses = run(moved_actor_critic(), batch := collate([episode(2, seed=0)]))
    state_mask = batch["action_mask"][:, 1:]
    assert (output.kl[~state_mask] == 0).all()
    assert losses.kl.item() == pytest.approx(output.kl[state_mask].mean().item())


def test_leaving_out_the_mask_of_a_right_padded_batch_changes_nothing() -> None:
    base = tiny_policy().base_model
    batch = collate([episode(1, seed=0), episode(4, seed=1)])
    inputs = (batch["input_ids"], batch["attention_mask"], batch["position_ids"])
    with torch.no_grad():
        fast = hidden_states(base, *inputs)
        masked = base(
            input_ids=inputs[0], attention_mask=inputs[1], position_ids=inputs[2], use_cache=False
        ).last_hidden_state
    real = batch["attention_mask"]
    torch.testing.assert_close(fast[real], masked[real], rtol=1e-5, atol=1e-5)


def test_activation_checkpointing_changes_no_gradient() -> None:
    batch = collate([episode(2, seed=0), episode(3, seed=1)])
    plain, expected = gradients(moved_actor_critic().train(), batch)
    model = moved_actor_critic()
    model.activation_checkpointing_enable()
    loss, actual = gradients(model.train(), batch)
    torch.testing.assert_close(plain, loss)
    for a, b in zip(expected, actual, strict=True):
        torch.testing.assert_close(a, b)


def gemma2(**more: Any) -> Gemma2ForCausalLM:
    return Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            initializer_range=1.0,
            **more,
        )
    )


@pytest.mark.parametrize("cap", [None, 2.0])
def test_a_final_soft_cap_is_applied_to_the_agents_logits(cap: float | None) -> None:
    model = gemma2(final_logit_softcapping=cap).eval()
    check_output_head(model)
    ids = torch.arange(6)[None]
    hidden = model.base_model(input_ids=ids).last_hidden_state
    actual = agent_logits(model, hidden, torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(actual, model(input_ids=ids).logits[0, :5].float())


def test_dropout_does_not_confuse_the_check_of_the_output_head() -> None:
    check_output_head(gemma2(final_logit_softcapping=None, attention_dropout=0.5).train())


def test_a_model_that_scales_its_logits_behind_the_head_is_refused() -> None:
    config = CohereConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        logit_scale=0.5,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with pytest.raises(ConfigError, match="does more to its logits"):
        check_output_head(CohereForCausalLM(config))


def test_value_head_answers_in_fp32_on_half_precision_hidden_states() -> None:
    value = ValueModel.from_policy(tiny_policy()).to(torch.bfloat16)
    assert value.head(torch.ones(2, 32, dtype=torch.bfloat16)).dtype == torch.float32
