"""Generated houses in ALFWorld's own tools, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oreo_agent.envs.alfworld.houses import (
    Curriculum,
    ensure_houses,
    generate_house,
    write_house,
)
from oreo_agent.envs.alfworld.houses.rules import load_rules

# Plays every game that AlfredTWEnv finds; commands come from the games' own walkthroughs.
_PLAY_ALL = """
import json, sys

from alfworld.agents.environment.alfred_tw_env import AlfredTWEnv

root, batch = sys.argv[1], int(sys.argv[2])
config = {
    "dataset": {
        "data_path": root, "eval_id_data_path": root, "eval_ood_data_path": root,
        "num_train_games": -1, "num_eval_games": -1,
    },
    "env": {
        "task_types": [1, 2, 3, 4, 5, 6], "domain_randomization": False,
        "goal_desc_human_anns_prob": 0.0, "expert_type": "handcoded",
    },
    "general": {"training_method": "dqn"},
    "rl": {"training": {"max_nb_steps_per_episode": 50}},
}

if __name__ == "__main__":
    stock = AlfredTWEnv(config, train_eval="eval_in_distribution")
    env = stock.init_env(batch_size=batch)
    played = won = won_at_reset = refused = 0
    for _ in range(stock.num_games // batch):
        observations, infos = env.reset()
        plans = []
        for file in infos["extra.gamefile"]:
            with open(file) as stream:
                plans.append(json.load(stream)["walkthrough"])
        won_at_reset += sum(infos["won"])
        success = [False] * batch
        for step in range(max(map(len, plans))):
            commands = []
            for index, plan in enumerate(plans):
                command = plan[step] if step < len(plan) else "look"
                if step < len(plan) and command not in infos["admissible_commands"][index]:
                    refused += 1
                commands.append(command)
            observations, scores, dones, infos = env.step(commands)
            success = [old or new for old, new in zip(success, infos["won"])]
        played += batch
        won += sum(success)
    env.close()
    print(f"games {stock.num_games} played {played} won {won} "
          f"won_at_reset {won_at_reset} refused {refused}")
"""


def stock_environment(data: Path) -> dict[str, str]:
    (data / "logic").mkdir(parents=True)
    (data / "logic" / "alfred.pddl").write_text(load_rules().domain)
    (data / "logic" / "alfred.twl2").write_text(load_rules().grammar)
    return {**os.environ, "ALFWORLD_DATA": str(data), "OMP_NUM_THREADS": "1"}


def play_in_stock(root: Path, scratch: Path, *, batch: int) -> str:
    script = scratch / "play_all.py"
    script.write_text(_PLAY_ALL)
    done = subprocess.run(
        [sys.executable, str(script), str(root), str(batch)],
        env=stock_environment(scratch / "data"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_hundred_houses_are_won_by_their_walkthroughs_in_stock_alfworld(tmp_path: Path) -> None:
    counts = {"train": 60, "valid_seen": 20, "valid_unseen": 20}
    root = ensure_houses(counts=counts, seed=3, root=tmp_path / "games")
    assert play_in_stock(root, tmp_path, batch=5) == (
        "games 100 played 100 won 100 won_at_reset 0 refused 0"
    )


@pytest.mark.slow
@pytest.mark.parametrize("goals", ["official", "varied"])
def test_full_houses_are_won_by_their_walkthroughs_in_stock_alfworld(
    tmp_path: Path, goals: str
) -> None:
    root = ensure_houses(
        size="full",
        counts={"train": 12, "valid_unseen": 6},
        seed=3,
        curriculum=Curriculum(goals=goals, task_types="balanced"),
        root=tmp_path / "games",
    )
    assert play_in_stock(root, tmp_path, batch=2) == (
        "games 18 played 18 won 18 won_at_reset 0 refused 0"
    )


@pytest.mark.slow
def test_houses_of_a_curriculum_are_won_by_their_walkthroughs_in_stock_alfworld(
    tmp_path: Path,
) -> None:
    root = ensure_houses(
        counts={"train": 36},
        seed=4,
        curriculum=Curriculum(receptacles=(4, 8), distractors=(0, 5), goals="varied"),
        root=tmp_path / "games",
    )
    assert play_in_stock(root, tmp_path, batch=4) == (
        "games 36 played 36 won 36 won_at_reset 0 refused 0"
    )


@pytest.mark.slow
def test_a_house_is_played_with_alfworld_play_tw(tmp_path: Path) -> None:
    house = generate_house(seed=2, split="train", size="small")
    folder = write_house(house, tmp_path / "games")
    program = shutil.which("alfworld-play-tw", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [program, str(folder)],
        input="\n".join(house.walkthrough) + "\n",
        env={**stock_environment(tmp_path / "data"), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Your task is to:" in done.stdout, done.stderr
    assert "You won!" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
