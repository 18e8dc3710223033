"""The losses against plain loops (traps 4, 5, 6, 9, 16, 17, 22, 23)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from oreo_agent.learning.baseline_losses import sft_loss
from oreo_agent.learning.losses import (
    OREOLosses,
    after_state_loss,
    next_turn_values,
    oreo_losses,
)
from oreo_agent.learning.trajectory_sums import Level, log_ratio_to_go
from oreo_agent.models.logprob_kl import taken_logprob_and_kl

BETA = 0.3
# Tokens: goal, act, act, observation, act, act. Column t is the state behind token t.
ACTS = [False, True, True, False, True, True]
STATES = [0, 1, 3, 4]
ENDS = [2, 5]


def example(seed: int = 0) -> dict[str, Any]:
    """Return one six-token trajectory in fp64."""
    draw = torch.Generator().manual_seed(seed)
    ends = torch.zeros(1, 6, dtype=torch.bool)
    ends[0, ENDS] = True
    return {
        "logprobs": -torch.rand(1, 5, generator=draw).double(),
        "reference_logprobs": -torch.rand(1, 5, generator=draw).double(),
        "kl": torch.rand(1, 5, generator=draw).double(),
        "values": torch.randn(1, 6, generator=draw).double(),
        "returns": torch.tensor([1.0], dtype=torch.float64),
        "state_mask": torch.tensor([ACTS[1:]]),
        "turn_end_mask": ends,
    }


def terms(losses: OREOLosses) -> Tensor:
    """Return all four losses, (4, batch)."""
    return torch.stack([losses.policy, losses.kl, losses.value, losses.after_state])


def test_trap_04_losses_equal_a_plain_loop_over_six_tokens() -> None:
    given = example()
    losses = oreo_losses(**given, beta=BETA)
    ratio = {
        t: float(given["logprobs"][0, t]) - float(given["reference_logprobs"][0, t]) for t in STATES
    }
    policy = value = kl = 0.0
    for t in STATES:
        v = float(given["values"][0, t])
        later = sum(ratio[i] for i in STATES if i > t)
        value += (v - 1.0 + BETA * (ratio[t] + later)) ** 2
        policy += (v - 1.0 + BETA * (ratio[t] + later)) ** 2
        kl += float(given["kl"][0, t])
    assert losses.value.item() == pytest.approx(value / 4, rel=1e-12)
    assert losses.policy.item() == pytest.approx(policy / 4, rel=1e-12)
    assert losses.kl.item() == pytest.approx(kl / 4, rel=1e-12)


def test_trap_05_what_stands_at_observations_changes_no_loss_and_no_gradient() -> None:
    def run(noise: float) -> tuple[Tensor, Tensor, Tensor]:
        given = example()
        # Column 2 predicts the observation: its log-probabilities, KL and V are nobody's action.
        # The log-ratio moves too: what is added to policy and reference alike would cancel.
        for name, share in (("logprobs", 1.0), ("reference_logprobs", -0.5), ("kl", 1.0)):
            given[name][0, 2] += share * noise
        given["logprobs"].requires_grad_()
        given["values"].requires_grad_()
        losses = oreo_losses(**given, beta=BETA)
        torch.autograd.backward(losses.total(alpha=0.1, after_state_weight=1.0).sum())
        return terms(losses), given["logprobs"].grad, given["values"].grad

    for before, after in zip(run(0.0), run(7.5), strict=True):
        assert torch.equal(before, after)
    assert run(0.0)[1][0, 2] == 0


def test_trap_06_credit_passes_through_observations() -> None:
    given = example()
    log_ratios = given["logprobs"] - given["reference_logprobs"]
    to_go = log_ratio_to_go(log_ratios, given["state_mask"])
    assert to_go[0, 0].item() == pytest.approx(log_ratios[0, STATES].sum().item())
    changed = log_ratios.clone()
    changed[0, 4] += 2.0  # the last turn
    moved = log_ratio_to_go(changed, given["state_mask"]) - to_go
    torch.testing.assert_close(moved[0, [0, 1, 3, 4]], torch.full((4,), 2.0).double())


def test_trap_09_batch_loss_is_the_mean_of_single_losses() -> None:
    short, long = example(0), example(1)
    # The longer one is the first example twice over, so a token mean would weigh it double.
    grown: dict[str, Any] = {"returns": long["returns"]}
    grown["values"] = torch.cat([long["values"], example(2)["values"]], dim=1)
    grown["turn_end_mask"] = torch.cat([long["turn_end_mask"], long["turn_end_mask"]], dim=1)
    for name in ("logprobs", "reference_logprobs", "kl", "state_mask"):
        filler = torch.zeros_like(long[name][:, :1])
        grown[name] = torch.cat([long[name], filler, example(2)[name]], dim=1)
    both: dict[str, Any] = {"returns": torch.cat([short["returns"], grown["returns"]])}
    for name, tensor in grown.items():
        if name != "returns":
            missing = tensor.shape[1] - short[name].shape[1]
            padded = torch.nn.functional.pad(short[name], (0, missing))
            both[name] = torch.cat([padded, tensor])
    batch = terms(oreo_losses(**both, beta=BETA)).mean(-1)
    singles = [terms(oreo_losses(**one, beta=BETA)) for one in (short, grown)]
    torch.testing.assert_close(batch, torch.cat(singles, dim=1).mean(-1), rtol=1e-12, atol=0)


def test_trap_16_after_states_are_pulled_to_what_follows_the_turn() -> None:
    given = example()
    log_ratios = given["logprobs"] - given["reference_logprobs"]
    to_go = log_ratio_to_go(log_ratios, given["state_mask"])
    values = given["values"].requires_grad_()
    loss = after_state_loss(values, to_go, given["returns"], given["turn_end_mask"], beta=BETA)
    torch.autograd.backward(loss.sum())
    # Minimum of each squared term: V - dL/dV * N / 2.
    target = values.detach() - values.grad * len(ENDS) / 2
    next_turn = log_ratios[0, 3] + log_ratios[0, 4]
    assert target[0, 2].item() == pytest.approx(1.0 - BETA * next_turn.item())
    assert target[0, 5].item() == pytest.approx(1.0)
    assert values.grad[0, [0, 1, 3, 4]].abs().max() == 0


def test_trap_16_after_states_may_be_pulled_to_the_state_in_which_the_next_turn_begins() -> None:
    given = example()
    values = given["values"].requires_grad_()
    losses = oreo_losses(**given, beta=BETA, after_state_target="next")
    torch.autograd.backward(losses.after_state.sum())
    target = values.detach() - values.grad * len(ENDS) / 2
    assert target[0, 2].item() == pytest.approx(values[0, 3].item())  # behind the observation
    assert target[0, 5].item() == pytest.approx(1.0)
    assert values.grad[0, [0, 1, 3, 4]].abs().max() == 0


def test_the_next_turn_begins_at_once_where_no_observation_parts_two() -> None:
    values = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]])
    starts = torch.tensor([[True, True, False, False]])  # turns: token 1, then tokens 2 to 4
    found = next_turn_values(values, torch.tensor([9.0]), starts)
    torch.testing.assert_close(found, torch.tensor([[0.1, 0.2, 9.0, 9.0, 9.0]]))


def test_trap_17_half_precision_is_refused() -> None:
    given = example()
    for name in ("logprobs", "values"):
        low = {**given, name: given[name].bfloat16(), "reference_logprobs": torch.zeros(1, 5)}
        low["reference_logprobs"] = low["reference_logprobs"].to(low["logprobs"].dtype)
        with pytest.raises(TypeError, match="fp32"):
            oreo_losses(**low, beta=BETA)


def test_trap_22_kl_equals_brute_force_and_is_never_negative() -> None:
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(20, 7, generator=draw).double()
    reference = torch.log_softmax(torch.randn(20, 7, generator=draw).double(), -1)
    actions = torch.randint(7, (20,), generator=draw)
    _, kl = taken_logprob_and_kl(logits, reference, actions)
    p = torch.softmax(logits, -1)
    brute = [
        sum(float(p[s, a]) * (float(p[s, a].log()) - float(reference[s, a])) for a in range(7))
        for s in range(20)
    ]
    torch.testing.assert_close(kl, torch.tensor(brute, dtype=torch.float64))
    assert (kl >= 0).all()


def test_trap_22_kl_does_not_depend_on_the_action_taken() -> None:
    # A sample estimate would: the tokens of offline data are not drawn from the policy.
    logits = torch.randn(1, 5, generator=torch.Generator().manual_seed(0)).double()
    reference = torch.full((1, 5), 0.2).double().log()
    kls = [taken_logprob_and_kl(logits, reference, torch.tensor([a]))[1].item() for a in range(5)]
    assert len(set(kls)) == 1


def test_closed_form_gradients_equal_autograd() -> None:
    draw = torch.Generator().manual_seed(4)
    logits = torch.randn(6, 5, generator=draw).double().requires_grad_()
    reference = torch.log_softmax(torch.randn(6, 5, generator=draw).double(), -1)
    actions = torch.randint(5, (6,), generator=draw)

    def closed(z: Tensor) -> tuple[Tensor, Tensor]:
        return taken_logprob_and_kl(z, reference, actions)

    assert torch.autograd.gradcheck(closed, (logits,))


def test_trap_23_kl_is_a_mean_over_agent_tokens_only() -> None:
    given = example()
    before = oreo_losses(**given, beta=BETA).kl.item()
    assert before == pytest.approx(given["kl"][0, STATES].mean().item())
    given["kl"][0, 2] = 1e6
    assert oreo_losses(**given, beta=BETA).kl.item() == before


def test_imitation_sums_only_the_agents_tokens() -> None:
    given = example()
    loss = sft_loss(given["logprobs"], given["state_mask"])
    assert loss.item() == pytest.approx(-given["logprobs"][0, STATES].sum().item())


@pytest.mark.parametrize("level", ["token", "step"])
def test_without_the_stop_gradient_a_token_has_the_residuals_of_all_before_it(level: Level) -> None:
    given = example()
    given["logprobs"].requires_grad_()

    def gradient(*, stop_gradient: bool) -> list[float]:
        losses = oreo_losses(**given, beta=BETA, level=level, stop_gradient=stop_gradient)
        (found,) = torch.autograd.grad(losses.policy.sum(), given["logprobs"])
        return [float(found[0, t]) for t in STATES]

    held, free = gradient(stop_gradient=True), gradient(stop_gradient=False)
    if level == "token":
        sums = [sum(held[: t + 1]) for t in range(4)]
    else:  # two turns of two tokens
        sums = [*held[:2], held[0] + held[2], held[0] + held[3]]
    assert free == pytest.approx(sums, rel=1e-12)
    assert free[-1] != pytest.approx(held[-1])


def test_the_stop_gradient_changes_no_loss() -> None:
    held = terms(oreo_losses(**example(), beta=BETA))
    free = terms(oreo_losses(**example(), beta=BETA, stop_gradient=False))
    assert torch.equal(held, free)
