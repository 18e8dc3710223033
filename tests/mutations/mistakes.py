"""One typical mistake for each trap: a piece of the source, and the same piece gone wrong."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MISTAKES", "Mistake"]

_LOSSES = "oreo_agent/learning/losses.py"
_BATCH = "oreo_agent/learning/batch.py"
_TRAINER = "oreo_agent/learning/oreo_trainer.py"
_ROLES = "oreo_agent/models/actor_critic.py"
_TERMS = "oreo_agent/models/logprob_kl.py"
_RENDERING = "oreo_agent/models/rendering.py"
_ADAPTERS = "oreo_agent/models/adapters.py"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of one file that the tests of a trap must notice."""

    trap: int
    what: str
    file: str
    right: str
    """Stands exactly once in the file."""
    wrong: str


MISTAKES = (
    Mistake(
        1,
        "sign of beta * C in the value's target",
        _LOSSES,
        "residual = values - returns[:, None] + beta * to_go.detach()",
        "residual = values - returns[:, None] - beta * to_go.detach()",
    ),
    Mistake(
        2,
        "no stop-gradient on later log-ratios",
        _LOSSES,
        "return later.detach() if stop_gradient else later",
        "return later",
    ),
    Mistake(
        3,
        "the policy loss reaches the value model",
        _LOSSES,
        "residual = values.detach() - returns[:, None] + beta * (log_ratios + later)",
        "residual = values - returns[:, None] + beta * (log_ratios + later)",
    ),
    Mistake(
        3,
        "the value loss reaches the policy",
        _LOSSES,
        "residual = values - returns[:, None] + beta * to_go.detach()",
        "residual = values - returns[:, None] + beta * to_go",
    ),
    Mistake(
        4,
        "log-probability of the token that was read, not of the one that follows",
        _ROLES,
        "actions = input_ids[:, 1:][state_mask]",
        "actions = input_ids[:, :-1][state_mask]",
    ),
    Mistake(
        5,
        "observations counted as actions",
        _LOSSES,
        """zeros_like(log_ratios))
    return own.flip""",
        """zeros_like(log_ratios))
    own = log_ratios
    return own.flip""",
    ),
    Mistake(
        6,
        "credit stays within the token",
        _LOSSES,
        "return own.flip(-1).cumsum(-1).flip(-1)\n",
        "return own\n",
    ),
    Mistake(
        7,
        "positions count the padding",
        _BATCH,
        "torch.from_numpy(np.maximum(real.cumsum(axis=1) - 1, 0))",
        "torch.arange(width).repeat(size, 1)",
    ),
    Mistake(
        7,
        "a batch padded on the left is read without its mask",
        _ROLES,
        "if bool(attention_mask[:, 0].all()):",
        "if bool(attention_mask[:, -1].all()):",
    ),
    Mistake(
        8,
        "the mask comes from the pad id",
        _BATCH,
        "acts[row, where] = episode.action_mask",
        "acts[row, where] = episode.action_mask & (episode.token_ids != self.pad_token_id)",
    ),
    Mistake(
        9,
        "mean over the tokens of the batch",
        _LOSSES,
        "return own.sum(-1) / mask.sum(-1).clamp(min=1)",
        "return own.sum(-1) / mask.sum() * len(mask)",
    ),
    Mistake(
        10,
        "each micro-batch is a mean of its own",
        "oreo_agent/learning/base_trainer.py",
        "items = self.count_items(inputs) if num_items_in_batch is None else num_items_in_batch",
        "items = self.count_items(inputs)",
    ),
    Mistake(
        11,
        "dropout stays on in the policy",
        _ROLES,
        "        disable_dropout(policy)\n",
        "",
    ),
    Mistake(
        12,
        "reading as one role takes the others' gradients away",
        _ADAPTERS,
        "parameter.requires_grad_(name in self._trained)",
        "parameter.requires_grad_(name in names)",
    ),
    Mistake(
        12,
        "after an error another role goes on acting",
        _ADAPTERS,
        """        try:
            yield
        finally:
            self._switch(before)
""",
        """        yield
        self._switch(before)
""",
    ),
    Mistake(
        12,
        "the reference reads with the policy's adapter",
        "oreo_agent/models/adapter_roles.py",
        "AdapterPolicy(shared, kept, frozen=True)",
        "AdapterPolicy(shared, own, frozen=True)",
    ),
    Mistake(
        13,
        "the value model shares the policy's transformer",
        _ROLES,
        "backbone: Any = copy.deepcopy(policy.base_model)",
        "backbone: Any = policy.base_model",
    ),
    Mistake(
        14,
        "the value head starts at random",
        _ROLES,
        "nn.init.zeros_(self.weight)",
        "nn.init.normal_(self.weight)",
    ),
    Mistake(
        15,
        "a candidate's value is read one token early",
        "oreo_agent/agents/state_values.py",
        "torch.stack([states[-1] for states in some])",
        "torch.stack([states[-2] for states in some])",
    ),
    Mistake(
        15,
        "the state behind a turn is not trained",
        _LOSSES,
        " + self.value + after_state_weight * self.after_state",
        " + self.value",
    ),
    Mistake(
        16,
        "an after-state's target holds the turn before it",
        _LOSSES,
        "following = pad(to_go, (0, 1)).detach()",
        "following = pad(to_go, (1, 0)).detach()",
    ),
    Mistake(
        17,
        "log-softmax in half precision",
        _ROLES,
        "return logits.float()",
        "return logits",
    ),
    Mistake(
        18,
        "what was sampled is tokenised again",
        _RENDERING,
        "ids = [*self.encode(text), self._end] if token_ids is None else list(token_ids)",
        "ids = [*self.encode(text), self._end]",
    ),
    Mistake(
        19,
        "the end of a turn is no action",
        _RENDERING,
        "[written] * len(said)",
        "[written] * (len(said) - 1) + [False]",
    ),
    Mistake(
        20,
        "a truncated episode keeps its reward",
        _BATCH,
        "if episode.truncated:",
        "if episode.truncated and not episode.token_ids:",
    ),
    Mistake(
        21,
        "an infrastructure error is reward 0",
        "oreo_agent/episodes/record.py",
        "return self in (Outcome.SUCCESS, Outcome.HORIZON, Outcome.INVALID)",
        "return True",
    ),
    Mistake(
        22,
        "the KL of the sampled token",
        _TERMS,
        "kl = torch.bmm(probabilities[:, None, :], gap[:, :, None])[:, 0, 0]",
        "kl = gap.gather(1, actions[:, None]).squeeze(1)",
    ),
    Mistake(
        23,
        "the KL is a mean over observations too",
        _LOSSES,
        "kl=trajectory_mean(kl, state_mask),",
        "kl=kl.mean(-1),",
    ),
    Mistake(
        24,
        "the KL weighs half of alpha",
        _LOSSES,
        "return self.policy + alpha * self.kl",
        "return self.policy + alpha / 2 * self.kl",
    ),
    Mistake(
        25,
        "the KL has no gradient, so nothing bounds the drift",
        _LOSSES,
        "return self.policy + alpha * self.kl",
        "return self.policy + alpha * self.kl.detach()",
    ),
    Mistake(
        26,
        "the schedule is twice as long as the training",
        _TRAINER,
        "return super().create_scheduler(num_training_steps, optimizer)",
        "return super().create_scheduler(2 * num_training_steps, optimizer)",
    ),
    Mistake(
        27,
        "the scale of the reward is fixed",
        _TRAINER,
        "ret=scale * episode.ret + offset",
        "ret=episode.ret",
    ),
    Mistake(
        28,
        "games in the order of the file system",
        "envs/alfworld/games.py",
        "return sorted(\n            folder\n",
        "return list(\n            folder\n",
    ),
    Mistake(
        29,
        "pairs are made without a look at the prompt",
        _BATCH,
        "return episode.task, tuple(episode.prompt)",
        "return episode.task, ()",
    ),
    Mistake(
        29,
        "the prompt has lost the goal",
        _RENDERING,
        'return goal if room == goal.strip() else f"{goal}\\n{room}"',
        "return room",
    ),
    Mistake(
        30,
        "ties fall to the first candidate",
        "oreo_agent/agents/ranking.py",
        "return round(score, _PLACES), logprob",
        "return round(score, _PLACES), 0.0",
    ),
    Mistake(
        31,
        "greedy play depends on the seed",
        "oreo_agent/agents/decoding.py",
        """if self.temperature > 0:
            scores = scores / self.temperature""",
        """if self.temperature >= 0:
            scores = scores / max(self.temperature, 0.3)""",
    ),
    Mistake(
        32,
        "the reference moves with every round",
        _ROLES,
        "self.reference = copy.deepcopy(policy) if reference is None else reference",
        "self.reference = copy.deepcopy(policy)",
    ),
)
