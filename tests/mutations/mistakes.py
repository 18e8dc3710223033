"""One typical mistake for each trap: an expression of one function, and the same gone wrong."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MISTAKES", "Mistake", "spoil"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of one function that the tests of a trap must notice.

    Both expressions are compared by their syntax trees, so formatting and comments do not matter.
    A capital letter stands for any expression, in ``wrong`` for the one that it matched.
    """

    trap: int
    what: str
    function: str
    """Its full name."""
    right: str
    """Stands exactly once in the function."""
    wrong: str


def spoil(root: Path, mistake: Mistake) -> tuple[Path, str]:
    """Return the file that holds the function below a folder, and its text with the mistake.

    Raises:
        SystemExit: The function is not there, or does not hold the expression exactly once.
    """
    parts = mistake.function.split(".")
    file = root
    while (file / parts[0]).is_dir():
        file /= parts.pop(0)
    file /= f"{parts.pop(0)}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    node: ast.AST = tree
    for name in parts:
        named = (n for n in ast.walk(node) if getattr(n, "name", None) == name)
        node = next(named, ast.Pass())
    pattern = ast.parse(mistake.right, mode="eval").body
    found = [part for part in ast.walk(node) if _match(pattern, part, {})]
    if len(found) != 1:
        raise SystemExit(f"{mistake.function} holds {len(found)} times: {mistake.right}")
    bound: dict[str, ast.expr] = {}
    _match(pattern, found[0], bound)
    wrong = _Fill(bound).visit(ast.parse(mistake.wrong, mode="eval").body)
    return file, ast.unparse(_Swap(found[0], wrong).visit(tree))


def _match(pattern: object, node: object, bound: dict[str, ast.expr]) -> bool:
    """Return whether a syntax tree has the form of a pattern, and note what its letters matched."""
    if isinstance(pattern, ast.Name) and len(pattern.id) == 1 and pattern.id.isupper():
        if not isinstance(node, ast.expr):
            return False
        bound[pattern.id] = node
        return True
    if isinstance(pattern, list) and isinstance(node, list):
        pairs = zip(pattern, node, strict=False)
        return len(pattern) == len(node) and all(_match(a, b, bound) for a, b in pairs)
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            _match(value, getattr(node, field, None), bound)
            for field, value in ast.iter_fields(pattern)
        )
    return pattern == node


class _Fill(ast.NodeTransformer):
    """Puts in, for each letter, the expression that it matched."""

    def __init__(self, bound: dict[str, ast.expr]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self._bound.get(node.id, node))


class _Swap(ast.NodeTransformer):
    """Replaces one node."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().generic_visit(node)


_LOSSES = "oreo_agent.learning.losses"
_SUMS = "oreo_agent.learning.trajectory_sums"
_BATCH = "oreo_agent.learning.batch"
_TRAINER = "oreo_agent.learning.oreo_trainer.OREOTrainer"
_ROLES = "oreo_agent.models.actor_critic"

MISTAKES = (
    Mistake(
        1,
        "sign of beta * C in the value's target",
        f"{_LOSSES}.value_loss",
        "A + beta * B",
        "A - beta * B",
    ),
    Mistake(
        2,
        "no stop-gradient on later log-ratios",
        f"{_LOSSES}._later",
        "A.detach()",
        "A",
    ),
    Mistake(
        3,
        "the policy loss reaches the value model",
        f"{_LOSSES}.policy_loss",
        "values.detach()",
        "values",
    ),
    Mistake(
        3,
        "the value loss reaches the policy",
        f"{_LOSSES}.value_loss",
        "to_go.detach()",
        "to_go",
    ),
    Mistake(
        4,
        "log-probability of the token that was read, not of the one that follows",
        f"{_ROLES}.PolicyAndReference.policy_terms",
        "input_ids[:, 1:]",
        "input_ids[:, :-1]",
    ),
    Mistake(
        5,
        "observations counted as actions",
        f"{_SUMS}.log_ratio_to_go",
        "torch.where(A, B, C)",
        "B",
    ),
    Mistake(
        6,
        "credit stays within the token",
        f"{_SUMS}.log_ratio_to_go",
        "A.flip(-1).cumsum(-1).flip(-1)",
        "A",
    ),
    Mistake(
        7,
        "positions count the padding",
        f"{_BATCH}.EpisodeCollator.__call__",
        "torch.from_numpy(np.maximum(A, 0))",
        "torch.arange(width).repeat(size, 1)",
    ),
    Mistake(
        7,
        "a batch padded on the left is read without its mask",
        f"{_ROLES}.hidden_states",
        "attention_mask[:, 0]",
        "attention_mask[:, -1]",
    ),
    Mistake(
        8,
        "the mask comes from the pad id",
        f"{_BATCH}.EpisodeCollator.__call__",
        "episode.action_mask",
        "episode.action_mask & (episode.token_ids != self.pad_token_id)",
    ),
    Mistake(
        9,
        "mean over the tokens of the batch",
        f"{_SUMS}.trajectory_average",
        "A.sum(-1).clamp(min=1)",
        "A.sum() / len(A)",
    ),
    Mistake(
        10,
        "each micro-batch is a mean of its own",
        "oreo_agent.learning.threaded_trainer.ThreadedTrainer.compute_loss",
        "self.count_items(A) if B else C",
        "self.count_items(A)",
    ),
    Mistake(
        11,
        "dropout stays on in the policy",
        f"{_ROLES}.PolicyAndReference.__init__",
        "disable_dropout(policy)",
        "None",
    ),
    Mistake(
        12,
        "reading as one role takes the others' gradients away",
        "oreo_agent.models.adapters.SharedBase._switch",
        "self._trained",
        "names",
    ),
    Mistake(
        12,
        "after an error another role goes on acting",
        "oreo_agent.models.adapters.SharedBase.acting",
        "self._switch(before)",
        "__import__('sys').exc_info()[0] or self._switch(before)",
    ),
    Mistake(
        12,
        "the reference reads with the policy's adapter",
        "oreo_agent.models.adapter_roles.AdapterActorCritic.__init__",
        "AdapterPolicy(A, kept, frozen=True)",
        "AdapterPolicy(A, own, frozen=True)",
    ),
    Mistake(
        13,
        "the value model shares the policy's transformer",
        f"{_ROLES}.ValueModel.from_policy",
        "copy.deepcopy(A)",
        "A",
    ),
    Mistake(
        14,
        "the value head starts at random",
        f"{_ROLES}.ValueHead.__init__",
        "nn.init.zeros_(A)",
        "nn.init.normal_(A)",
    ),
    Mistake(
        15,
        "a candidate's value is read one token early",
        "oreo_agent.agents.state_values.StateValues.after",
        "states[-1]",
        "states[-2]",
    ),
    Mistake(
        15,
        "the state behind a turn is not trained",
        f"{_LOSSES}.OREOLosses.total",
        "A + after_state_weight * B",
        "A",
    ),
    Mistake(
        16,
        "an after-state's target holds the turn before it",
        f"{_LOSSES}.after_state_loss",
        "pad(A, (0, 1))",
        "pad(A, (1, 0))",
    ),
    Mistake(
        17,
        "log-softmax in half precision",
        f"{_ROLES}.agent_logits",
        "A.float()",
        "A",
    ),
    Mistake(
        18,
        "what was sampled is tokenised again",
        "oreo_agent.models.rendering.Renderer.message",
        "A if token_ids is None else B",
        "A",
    ),
    Mistake(
        19,
        "the end of a turn is no action",
        "oreo_agent.models.rendering.Renderer.render",
        "[written] * len(A)",
        "[written] * (len(A) - 1) + [False]",
    ),
    Mistake(
        20,
        "a truncated episode keeps its reward",
        f"{_BATCH}.trainable",
        "episode.truncated",
        "episode.truncated and not episode.token_ids",
    ),
    Mistake(
        21,
        "an infrastructure error is reward 0",
        "oreo_agent.episodes.record.Outcome.is_scored",
        "self not in A",
        "True",
    ),
    Mistake(
        22,
        "the KL of the sampled token",
        "oreo_agent.models.logprob_kl._TakenLogprobAndKL.forward",
        "torch.bmm(A, gap[:, :, None])[:, 0, 0]",
        "gap.gather(1, actions[:, None]).squeeze(1)",
    ),
    Mistake(
        23,
        "the KL is a mean over observations too",
        f"{_LOSSES}.oreo_losses",
        "trajectory_average(kl, A, B)",
        "kl.mean(-1)",
    ),
    Mistake(
        24,
        "the KL weighs half of alpha",
        f"{_LOSSES}.OREOLosses.total",
        "alpha * A",
        "alpha / 2 * A",
    ),
    Mistake(
        25,
        "the KL has no gradient, so nothing bounds the drift",
        f"{_LOSSES}.OREOLosses.total",
        "alpha * A",
        "alpha * A.detach()",
    ),
    Mistake(
        26,
        "the schedule is twice as long as the training",
        f"{_TRAINER}.create_scheduler",
        "super().create_scheduler(A, B)",
        "super().create_scheduler(2 * A, B)",
    ),
    Mistake(
        27,
        "the scale of the reward is fixed",
        f"{_TRAINER}.make_dataset",
        "scale * A + offset",
        "A",
    ),
    Mistake(
        28,
        "games in the order of the file system",
        "oreo_agent.envs.alfworld.games.FolderSource._folders",
        "sorted(A)",
        "list(A)",
    ),
    Mistake(
        29,
        "pairs are made without a look at the prompt",
        f"{_BATCH}.task_key",
        "tuple(A)",
        "()",
    ),
    Mistake(
        29,
        "the prompt has lost the goal",
        "oreo_agent.models.prompt_text.PromptText.opening",
        "A if B else C",
        "first",
    ),
    Mistake(
        30,
        "ties fall to the first candidate",
        "oreo_agent.agents.search_settings.Ranking.key",
        "(round(A, B), logprob)",
        "(round(A, B), 0.0)",
    ),
    Mistake(
        31,
        "greedy play depends on the seed",
        "oreo_agent.agents.decoding.MessageWriter._choose",
        "A.astype(B)",
        "A.astype(B) + noise.gumbel(size=A.shape)",
    ),
    Mistake(
        32,
        "the reference moves with every round",
        f"{_ROLES}.PolicyAndReference.__init__",
        "A if reference is None else B",
        "A",
    ),
)
