"""The three roles as adapters on one frozen model: policy, value, and the reference without any.

One copy of the weights is held. The value model is read first and recomputed in the backward pass,
after the policy's, so that one graph is alive at a time; where layers are checkpointed anyway, they
are recomputed with the adapter that they were read with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from oreo_agent.errors import ConfigError
from oreo_agent.models.actor_critic import ActorCritic, ActorCriticOutput, ValueModel
from oreo_agent.models.adapters import AdapterBackbone, AdapterPolicy, SharedBase
from oreo_agent.models.pretrained import Precision


class AdapterValue(ValueModel):
    """A value model on the shared base."""

    backbone: AdapterBackbone  # type: ignore[assignment]  # it looks like a transformer

    def __init__(self, backbone: AdapterBackbone) -> None:
        super().__init__(backbone)  # type: ignore[arg-type]

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the adapter's parameters and the head's."""
        yield from self.backbone.named_parameters()
        head: Any = self.head.weight  # a tensor to the type checker
        yield "head.weight", head


class AdapterActorCritic(ActorCritic):
    """An `ActorCritic` whose roles share one frozen model.

    The policy given stands still from here on: its adapters become what all roles start from, and
    what is trained is another adapter on top of them.

    Args:
        policy: The start; its base is shared.
        value: Goes on from this one where it is given; it may be on another copy of the base.
        reference: The start where none is given; it may be on another copy of the base.
        seed: Of the fresh adapters.
    """

    def __init__(
        self,
        policy: AdapterPolicy,
        value: AdapterValue | None = None,
        reference: AdapterPolicy | None = None,
        *,
        seed: int = 0,
    ) -> None:
        shared, start = policy.shared, policy.adapters
        number = len(shared.ranks)  # names of earlier adapters stay taken
        rank = min(shared.ranks[name] for name in start)
        shared.freeze(start)
        own, judge = (*start, f"policy-{number}"), (*start, f"value-{number}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shared.add(own[-1], rank)
            if value is None:
                shared.add(judge[-1], rank)
        if value is not None:
            judge = _grafted(value.backbone, shared, judge[-1], trained=True)
        kept = start
        if reference is not None:
            kept = _grafted(reference, shared, f"reference-{number}", trained=False)
        critic = AdapterValue(AdapterBackbone(shared, judge))
        if value is not None:
            critic.head.load_state_dict(value.head.state_dict())
        views: Any = (AdapterPolicy(shared, own), AdapterPolicy(shared, kept, frozen=True))
        super().__init__(views[0], critic, views[1])
        self.shared = shared

    def forward(  # type: ignore[override]  # see `ActorCritic`
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, action_mask: Tensor
    ) -> ActorCriticOutput:
        """Run the three roles once each; arguments as for ``policy_terms``."""
        inputs = (input_ids, attention_mask, position_ids)
        # First in the forward pass is last in the backward pass.
        if torch.is_grad_enabled() and not self.shared.checkpoints_layers:
            values = checkpoint(self.value, *inputs, use_reentrant=False)
        else:
            values = self.value(*inputs)
        terms = self.policy_terms(*inputs, action_mask)
        return ActorCriticOutput(*terms, values=values)


def actor_critic(
    policy: PreTrainedModel,
    value: ValueModel | None = None,
    reference: PreTrainedModel | None = None,
) -> ActorCritic:
    """Return the roles of a policy: separate models, or adapters where it is one.

    Raises:
        ConfigError: The roles are of both kinds.
    """
    given: Any = policy  # a view only looks like a model
    kept: Any = reference
    if not isinstance(given, AdapterPolicy):
        return ActorCritic(policy, value, reference)
    if not isinstance(value, AdapterValue | None) or not isinstance(kept, AdapterPolicy | None):
        raise ConfigError(
            "the policy is an adapter, and the value model or the reference is not.",
            "Start all of them from checkpoints with adapters.",
        )
    return AdapterActorCritic(given, value, kept)


def with_adapter(
    model: PreTrainedModel,
    rank: int,
    *,
    name: str,
    precision: Precision = "float32",
    seed: int = 0,
) -> AdapterPolicy:
    """Return a policy that is a fresh adapter on a model, which is frozen.

    The model is changed in place; see `SharedBase` for its name and precision.
    """
    shared = SharedBase(model, name=name, precision=precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shared.add("policy", rank)
    return AdapterPolicy(shared, ("policy",))


def _grafted(
    view: AdapterPolicy | AdapterBackbone, shared: SharedBase, name: str, *, trained: bool
) -> tuple[str, ...]:
    """Copy a view's adapters, as one, to another copy of the base; return who acts there."""
    if not view.adapters:
        return ()
    rank = sum(view.shared.ranks[each] for each in view.adapters)
    shared.add(name, rank, trained=trained, weights=view.shared.weights(view.adapters))
    return (name,)
