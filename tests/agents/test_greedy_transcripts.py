"""Greedy play of real houses, alone and in company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oreo_agent.agents.language_model import LanguageModelAgent
from oreo_agent.envs.worker.pool import WorkerPool
from oreo_agent.episodes.record import Turn
from oreo_agent.models.presets import build_policy
from oreo_agent.models.rendering import Renderer
from oreo_agent.models.tokenizer import train_tokenizer
from oreo_agent.rollout import Job, run_wave


@pytest.fixture(scope="module")
def pool(house_folder: Path) -> Iterator[WorkerPool]:
    options = {"games": str(house_folder), "horizon": 5}
    with WorkerPool("alfworld", options, processes=1) as pool:
        yield pool


def _play(pool: WorkerPool, tasks: list[str]) -> list[tuple[Turn, ...]]:
    # Restricted, so that a policy that has learnt nothing sees something of its houses.
    renderer = Renderer(train_tokenizer(["put a mug 1 in a desk 1", "go to bed 1"] * 2))
    policy = build_policy("nano", renderer.tokenizer, seed=4)
    agent = LanguageModelAgent(policy, renderer, name="nano", restricted=True)
    jobs = [Job(task=task, split="train", seed=place) for place, task in enumerate(tasks)]
    return [episode.turns for episode in run_wave(pool, agent, jobs).episodes]


def test_trap_31_greedy_rollouts_twice_are_identical(pool: WorkerPool) -> None:
    tasks = list(pool.tasks("train"))[:2]
    first = _play(pool, tasks)
    assert all(len(turns) > 1 for turns in first)
    assert _play(pool, tasks) == first
