"""Traps of the way from games to numbers: scale, identity, repetition, rounds (27, 28, 31, 32)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.envs.alfworld.games import FolderSource
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.learning.batch import EpisodeDataset
from oreo_agent.learning.config import OREOConfig
from oreo_agent.learning.oreo_trainer import OREOTrainer
from oreo_agent.models.actor_critic import ActorCritic
from oreo_agent.models.presets import build_policy
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer
from oreo_agent.rollout import Job, run_wave
from tests.learning.tiny_training import episodes, rollouts, tiny_policy, trainer


def test_trap_27_the_scale_of_the_reward_is_a_setting_that_is_stored(tmp_path: Path) -> None:
    data = rollouts(8)
    for scale, offset, returns in ((1.0, 0.0, {0.0, 1.0}), (2.0, -1.0, {-1.0, 1.0})):
        folder = tmp_path / str(scale)
        settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 1, "max_steps": 1}
        settings["normalizer"] = "trajectory"
        run = trainer("oreo", folder, data, reward_scale=scale, reward_offset=offset, **settings)
        assert isinstance(run.train_dataset, EpisodeDataset)
        assert {episode.ret for episode in run.train_dataset.episodes} == returns
        run.train()
        stored = json.loads((folder / "checkpoint-1" / "training_args.json").read_text())
        assert (stored["reward_scale"], stored["reward_offset"]) == (scale, offset)
        # V starts at 0 and the policy at the reference: the loss is the mean squared return.
        mean = sum(r * r for r in returns) / 2
        assert run.state.log_history[0]["loss_policy"] == pytest.approx(mean)


def test_trap_28_games_are_named_by_path_in_whatever_order_they_are_listed(
    house_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = FolderSource(house_folder).games("train")
    listed = os.scandir

    class Shuffled:
        def __init__(self, path: str | os.PathLike[str]) -> None:
            with listed(path) as entries:
                self._entries = sorted(entries, key=lambda entry: entry.name[::-1], reverse=True)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self._entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    monkeypatch.setenv("OREO_AGENT_CACHE", str(tmp_path))  # no index of the plain order
    assert FolderSource(house_folder).games("train") == plain
    assert all((house_folder / task / "game.tw-pddl").is_file() for task in plain)


def test_trap_31_greedy_play_is_the_same_in_any_company(house_folder: Path) -> None:
    texts = ["go to bed 1", "open drawer 1", "look", "put a mug in desk", "you see a desk 1."]
    renderer = Renderer(train_tokenizer(texts * 2))
    policy = build_policy("nano", renderer.tokenizer, seed=1)
    pool = WorkerPool("alfworld", {"games": str(house_folder), "horizon": 5}, processes=1)

    def play(jobs: list[Job]) -> dict[str, list[tuple[str, str]]]:
        wave = run_wave(pool, LanguageModelAgent(policy, renderer, name="nano"), jobs)
        return {
            episode.task: [(t.observation, t.executed.message) for t in episode.turns]
            for episode in wave.episodes
        }

    try:
        games = list(pool.tasks("train"))[:3]
        first = play([Job(task=game, split="train", seed=0) for game in games])
        other = play([Job(task=game, split="train", seed=9) for game in reversed(games)])
        alone = play([Job(task=games[0], split="train", seed=4)])
    finally:
        pool.close()
    assert first == other
    assert alone[games[0]] == first[games[0]]
    assert all(first.values())


@pytest.mark.parametrize("moved", [False, True])
def test_trap_32_the_reference_of_a_round_is_the_one_that_was_chosen(
    moved: bool, tmp_path: Path
) -> None:
    data = episodes(8)
    first = tiny_policy()
    start = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    roles = ActorCritic(first)

    def learn(model: ActorCritic) -> None:
        config = OREOConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            learning_rate=1e-2,
            max_steps=2,
            per_device_train_batch_size=8,
            warmup_steps=0,
            save_strategy="no",
        )
        OREOTrainer(model, config, data, pad_token_id=0).train()

    learn(roles)
    learnt = {name: tensor.clone() for name, tensor in roles.policy.state_dict().items()}
    assert any(not torch.equal(start[name], learnt[name]) for name in start)
    # The next round: the reference moves to what was learnt, or stays where the first began.
    following = ActorCritic(roles.policy, roles.value, None if moved else roles.reference)
    expected = learnt if moved else start
    assert not any(p.requires_grad for p in following.reference.parameters())
    learn(following)
    after = following.reference.state_dict()
    assert all(torch.equal(expected[name], after[name]) for name in expected)
    assert any(not torch.equal(learnt[n], t) for n, t in following.policy.state_dict().items())
    assert following.value is roles.value
