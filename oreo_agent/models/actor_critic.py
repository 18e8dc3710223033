"""The three roles of the learner: policy, value and frozen reference.

The value model is a full copy of the policy's transformer with a linear head, never shared with the
policy (arXiv 2412.16145). Its head starts at zero, so V == 0 before the first update.
Logits exist only where the agent acts: hidden states are gathered before the output head.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from oreo_agent.errors import ConfigError
from oreo_agent.models.logprob_kl import taken_logprob_and_kl


def hidden_states(
    base: nn.Module, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor
) -> Tensor:
    """Read a padded batch through a decoder without output head.

    A batch padded on the right needs no mask: under causal attention no real token sees the padding
    behind it. Leaving the mask out lets attention take its fast causal path.

    Args:
        base: A transformers decoder whose output has ``last_hidden_state``.
        input_ids: ``(batch, time)``.
        attention_mask: ``(batch, time)``, true at real tokens.
        position_ids: ``(batch, time)``, counted over real tokens.

    Returns:
        Hidden states, ``(batch, time, hidden)``.
    """
    if bool(attention_mask[:, 0].all()):
        output = base(input_ids=input_ids, use_cache=False)
    else:
        output = base(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=False,
        )
    hidden: Tensor = output.last_hidden_state
    return hidden


def agent_logits(policy: PreTrainedModel, hidden: Tensor, state_mask: Tensor) -> Tensor:
    """Return the fp32 logits of the states in which the agent acts.

    Args:
        policy: The model whose output head is used.
        hidden: ``(batch, time, hidden)``.
        state_mask: ``(batch, time - 1)``, true where the next token is the agent's.

    Returns:
        ``(states, vocabulary)``, in row-major order of ``state_mask``.
    """
    rows, columns = state_mask.nonzero(as_tuple=True)
    chosen = hidden.flatten(0, 1).index_select(0, rows * hidden.shape[1] + columns)
    return output_logits(policy, chosen).float()


def output_logits(policy: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return a model's logits from its hidden states: output head and, where it has one, soft cap.

    From ``(…, hidden)`` to ``(…, vocabulary)``, in the model's precision.
    """
    logits: Tensor = _output_head(policy)(hidden)
    cap = getattr(policy.config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def scatter_states(values: Tensor, state_mask: Tensor) -> Tensor:
    """Put one value a state back on the ``(batch, time - 1)`` grid, zero elsewhere."""
    grid = torch.zeros(state_mask.shape, dtype=values.dtype, device=values.device)
    return grid.masked_scatter(state_mask, values)


class ValueHead(nn.Linear):
    """Linear map hidden -> 1 without bias, zero at the start, computed in fp32."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__(hidden_size, 1, bias=False)
        nn.init.zeros_(self.weight)

    def randomise(self, seed: int) -> None:
        """Redraw the weights, so small that V is of unit variance on normalised states."""
        random = torch.Generator().manual_seed(seed)
        drawn = torch.randn(self.weight.shape, generator=random) / math.sqrt(self.in_features)
        with torch.no_grad():
            self.weight.copy_(drawn)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return ``(…, 1)`` in fp32.

        Written without a matrix product, which mixed precision would run in bf16: near 0.9 that has
        a spacing of 0.004.
        """
        return (hidden.float() * self.weight.float()).sum(dim=-1, keepdim=True)


class ValueModel(nn.Module):
    """V(s_t) after every token: a transformer without output head and a linear head."""

    def __init__(self, backbone: PreTrainedModel) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = ValueHead(int(backbone.config.hidden_size)).to(backbone.device)

    @classmethod
    def from_policy(cls, policy: PreTrainedModel) -> ValueModel:
        """Return a value model on a deep copy of the policy's transformer, V == 0 everywhere."""
        backbone: Any = copy.deepcopy(policy.base_model)
        return cls(backbone)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor) -> Tensor:
        """Return V behind every token, ``(batch, time)``, fp32."""
        hidden = hidden_states(self.backbone, input_ids, attention_mask, position_ids)
        values: Tensor = self.head(hidden).squeeze(-1)
        return values


class PolicyTerms(NamedTuple):
    """Policy beside reference. Index t of ``time - 1`` refers to the state before token t + 1."""

    logprobs: Tensor
    """log pi of the token that follows, ``(batch, time - 1)``; 0 where it is not the agent's."""
    reference_logprobs: Tensor
    """The same under the reference, without gradient."""
    kl: Tensor
    """Exact KL(pi || reference) over the whole vocabulary, ``(batch, time - 1)``, 0 elsewhere."""


class PolicyAndReference(nn.Module):
    """A policy beside its frozen reference, for methods without a value model.

    Dropout is switched off in both, so that the log-ratio is exactly zero at the start.

    Args:
        policy: A causal language model.
        reference: Starts as a deep copy of the policy where none is given. It is frozen.

    Raises:
        ConfigError: The model does more to its logits than apply the output head.
    """

    def __init__(self, policy: PreTrainedModel, reference: PreTrainedModel | None = None) -> None:
        super().__init__()
        disable_dropout(policy)
        check_output_head(policy)
        self.policy = policy
        self.reference = copy.deepcopy(policy) if reference is None else reference
        disable_dropout(self.reference)
        self.reference.requires_grad_(False).train(False)
        self.policy.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what is trained; the reference stays in evaluation mode."""
        super().train(mode)
        self.reference.train(False)
        return self

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Recompute the policy's activations in the backward pass."""
        self.policy.activation_checkpointing_enable(**options)

    def policy_terms(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, action_mask: Tensor
    ) -> PolicyTerms:
        """Run policy and reference once each.

        Args:
            input_ids: ``(batch, time)``.
            attention_mask: ``(batch, time)``, true at real tokens.
            position_ids: ``(batch, time)``.
            action_mask: ``(batch, time)``, true where the agent wrote the token.
        """
        state_mask = action_mask[:, 1:]
        actions = input_ids[:, 1:][state_mask]  # (states,)
        inputs = (input_ids, attention_mask, position_ids)
        with torch.no_grad():
            hidden = hidden_states(self.reference.base_model, *inputs)
            reference = agent_logits(self.reference, hidden, state_mask).log_softmax(dim=-1)
        hidden = hidden_states(self.policy.base_model, *inputs)
        logits = agent_logits(self.policy, hidden, state_mask)
        logprobs, kl = taken_logprob_and_kl(logits, reference, actions)
        taken = reference.gather(1, actions[:, None]).squeeze(1)
        return PolicyTerms(
            logprobs=scatter_states(logprobs, state_mask),
            reference_logprobs=scatter_states(taken, state_mask),
            kl=scatter_states(kl, state_mask),
        )

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, action_mask: Tensor
    ) -> PolicyTerms:
        """Run the roles once each; arguments as for ``policy_terms``."""
        return self.policy_terms(input_ids, attention_mask, position_ids, action_mask)


class ActorCriticOutput(NamedTuple):
    """What the losses need. Index t of ``time - 1`` refers to the state before token t + 1."""

    logprobs: Tensor
    """log pi of the token that follows, ``(batch, time - 1)``; 0 where it is not the agent's."""
    reference_logprobs: Tensor
    """The same under the reference, without gradient."""
    kl: Tensor
    """Exact KL(pi || reference) over the whole vocabulary, ``(batch, time - 1)``, 0 elsewhere."""
    values: Tensor
    """V behind every token, ``(batch, time)``."""


class ActorCritic(PolicyAndReference):
    """Policy, value and frozen reference behind one forward.

    Dropout is switched off in all three, so that the log-ratio is exactly zero at the start.

    A role that is not given starts as a copy of the policy as it is now. To keep an earlier
    reference over several rounds of training, give it. It is frozen.

    Raises:
        ConfigError: The model does more to its logits than apply the output head.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        value: ValueModel | None = None,
        reference: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(policy, reference)
        self.value = ValueModel.from_policy(policy) if value is None else value
        disable_dropout(self.value)
        self.value.requires_grad_(True)

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Recompute activations of policy and value in the backward pass."""
        super().activation_checkpointing_enable(**options)
        self.value.backbone.activation_checkpointing_enable(**options)

    def forward(  # type: ignore[override]  # the same terms and the values
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, action_mask: Tensor
    ) -> ActorCriticOutput:
        """Run the three roles once each; arguments as for ``policy_terms``."""
        terms = self.policy_terms(input_ids, attention_mask, position_ids, action_mask)
        return ActorCriticOutput(*terms, values=self.value(input_ids, attention_mask, position_ids))


_DROPOUTS = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)


def dropouts(model: nn.Module) -> Iterator[tuple[object, str, float]]:
    """Yield each dropout or layer-drop probability of a model: what holds it, its name, its value.

    Those of the configurations are among them.
    """
    for module in model.modules():
        for place in (module, getattr(module, "config", None)):
            for name, value in list(vars(place).items()) if place is not None else []:
                if "drop" in name and isinstance(value, float):
                    yield place, name, value
        if isinstance(module, _DROPOUTS):
            yield module, "p", module.p


def disable_dropout(model: nn.Module) -> None:
    """Set every dropout and layer-drop probability of a model to zero, its config's included."""
    for place, name, _ in dropouts(model):
        setattr(place, name, 0.0)


def check_output_head(policy: PreTrainedModel) -> None:
    """Refuse a model whose logits are not what ``output_logits`` makes of its hidden states.

    Raises:
        ConfigError: The logits are scaled, or there is no output head.
    """
    name = type(policy).__name__
    if _output_head(policy) is None or policy.base_model is policy:
        raise ConfigError(f"{name} has no output head over a base model.", "Use a causal LM.")
    ids = torch.arange(4, device=next(policy.parameters()).device)[None]
    training = policy.training
    policy.train(False)  # dropout would draw twice
    with torch.no_grad():
        expected = policy(input_ids=ids, use_cache=False).logits.float()
        hidden = policy.base_model(input_ids=ids, use_cache=False).last_hidden_state
        actual = output_logits(policy, hidden).float()
    policy.train(training)
    if not torch.allclose(expected, actual, rtol=1e-3, atol=1e-3):
        raise ConfigError(
            f"{name} does more to its logits than apply the output head and a soft cap.",
            "Choose a model without logit scaling.",
        )


def _output_head(policy: Any) -> Any:  # the library's method has no types
    return policy.get_output_embeddings()
