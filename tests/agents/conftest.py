"""A game small enough to be learnt in a second, and the two models that have learnt it.

First one thinks, then one answers with a number from 1 to 3; 2 is right. The policy answers 1 a
little more often than the others, so that greedy play loses; only the value model knows which one
is right. It has seen one answer more, 33, so that behind 3 much is still possible until the turn
ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from oreo_agent.agents.protocol import ActRequest
from oreo_agent.episodes.record import PastTurn
from oreo_agent.models.actor_critic import ValueModel
from oreo_agent.models.presets import build_policy
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer

QUESTION = "Which number is it?"
THINK = "think"
ANSWERS = ("#### 1", "#### 2", "#### 3")
RIGHT = "#### 2"
SHARES = {"#### 1": 4.0, "#### 2": 3.0, "#### 3": 3.0, "#### 33": 0.0}
"""How often the policy has seen the answers."""
WORTH = {"#### 1": 0.2, "#### 2": 1.0, "#### 3": 0.0, "#### 33": 1.0}
"""What the value model has seen of the answers."""


@dataclass(frozen=True)
class Learnt:
    """Two models of the game."""

    policy: LlamaForCausalLM
    value: ValueModel
    renderer: Renderer

    def request(self, turns: int = 1, *, episode: str = "a", seed: int = 0) -> ActRequest:
        """Return a request after so many turns of thinking."""
        past = [
            PastTurn(observation=QUESTION if turn == 0 else "", message=THINK)
            for turn in range(turns)
        ]
        return ActRequest(
            episode=episode,
            goal=QUESTION,
            history=tuple(past),
            observation="" if turns else QUESTION,
            admissible=None,
            seed=seed,
        )


@pytest.fixture(scope="session")
def learnt() -> Learnt:
    """A policy that nearly answers at random, and a value model that knows the answer."""
    renderer = Renderer(train_tokenizer([QUESTION, THINK, *ANSWERS] * 2, spells_numbers=True))
    policy = build_policy("nano", renderer.tokenizer, seed=0)
    value = ValueModel.from_policy(policy)
    ids, written = _batch(renderer)
    worth = torch.tensor(list(WORTH.values()))[:, None]
    shares = torch.tensor(list(SHARES.values()))[:, None] * written[:, 1:]
    optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=3e-3)
    for _ in range(150):
        logits = policy(input_ids=ids).logits[:, :-1]
        states = value.backbone(input_ids=ids).last_hidden_state
        errors = value.head(states).squeeze(-1) - worth
        surprise = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), ids[:, 1:], reduction="none"
        )
        loss = (surprise * shares).sum() / shares.sum() + errors[written].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for model in (policy, value):
        model.requires_grad_(False)
    return Learnt(policy, value, renderer)


def _batch(renderer: Renderer) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the games' ids and where the agent's tokens are, (games, time) each."""
    rows = []
    for answer in WORTH:
        row = [(token, False) for token in renderer.opening(QUESTION, QUESTION)]
        row += [(token, True) for token in renderer.message(THINK)]
        row += [(token, False) for token in renderer.observation("")]
        row += [(token, True) for token in renderer.message(answer)]
        rows.append(row)
    width = max(map(len, rows))
    # Padded on the right, where no token before it sees it.
    padded = [row + [(0, False)] * (width - len(row)) for row in rows]
    ids, written = (torch.tensor([[pair[i] for pair in row] for row in padded]) for i in (0, 1))
    return ids, written.bool()


@pytest.fixture(scope="session")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game as published problems of `oreo_agent.envs.math`."""
    folder = tmp_path_factory.mktemp("problems")
    lines = [f'{{"question": "{QUESTION}", "answer": "{THINK}\\n{RIGHT}"}}\n' for _ in range(1)]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
