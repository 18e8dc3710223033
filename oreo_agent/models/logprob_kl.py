"""Log-probability of the taken token and the exact KL, in one pass over the vocabulary.

Both need the full log-softmax of the policy. Written out with autograd they keep five tensors of
``(states, vocabulary)`` and walk them again in the backward pass; the closed form keeps two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _TakenLogprobAndKL(torch.autograd.Function):
    """With p = softmax(z), d = log p - log q and k = KL(p || q).

    d log p_a / d z = onehot(a) - p, and d k / d z = p * (d - k).
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, reference_logprobs: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor]:
        logprobs = torch.log_softmax(logits, dim=-1)  # (states, vocabulary)
        taken = logprobs.gather(1, actions[:, None]).squeeze(1)
        probabilities = logprobs.exp()
        gap = logprobs.sub_(reference_logprobs)
        # One dot product a row: batched matrix product, no (states, vocabulary) temporary.
        # Mixed precision would run that product in bf16.
        with torch.autocast(logits.device.type, enabled=False):
            kl = torch.bmm(probabilities[:, None, :], gap[:, :, None])[:, 0, 0]
        ctx.save_for_backward(probabilities, gap, kl, actions)
        return taken, kl

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad_taken, grad_kl = grads
        probabilities, gap, kl, actions = ctx.saved_tensors
        grad = gap * grad_kl[:, None]
        grad -= (grad_kl * kl + grad_taken)[:, None]
        grad *= probabilities
        grad.scatter_add_(1, actions[:, None], grad_taken[:, None])
        return grad, None, None


def taken_logprob_and_kl(
    logits: Tensor, reference_logprobs: Tensor, actions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return log pi(a) and KL(pi || reference) of each state.

    Args:
        logits: The policy's, ``(states, vocabulary)``, fp32.
        reference_logprobs: Full log-softmax of the reference, same shape, without gradient.
        actions: Token taken in each state, ``(states,)``.

    Returns:
        Two tensors of shape ``(states,)``; gradients flow into ``logits`` only.
    """
    function: Any = _TakenLogprobAndKL  # torch gives ``apply`` no types
    taken, kl = function.apply(logits, reference_logprobs, actions)
    return taken, kl
