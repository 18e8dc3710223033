from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from oreo_agent.cli import main
from oreo_agent.episodes import Actor, Episode, Executed, Outcome, Turn, encode_episode
from oreo_agent.errors import ExitCode


def line(name: str, turns: int = 1, **facts: object) -> bytes:
    executed = Executed(message="look", action="look", actor=Actor.POLICY)
    episode = Episode(
        id=name,
        env="alfworld",
        task="train/x",
        goal="look",
        outcome=Outcome.HORIZON,
        turns=(Turn(observation="You see a desk 1.", executed=executed),) * turns,
        **facts,  # type: ignore[arg-type]  # plain strings
    )
    return encode_episode(episode)


def test_info_tells_quartiles_models_types_splits_and_repeated_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    known = {"model": "m", "task_type": "pick", "split": "train", "dialect": "put"}
    path.write_bytes(
        b"".join(line(f"e{turns}", turns, **known) for turns in (1, 2, 3, 4)) + line("e1", 5)
    )
    assert main(["data", "info", str(path), "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    quartiles = [found["turns"][key] for key in ("min", "q1", "median", "q3", "max")]
    assert quartiles == [1, 2, 3, 4, 5]
    assert found["models"] == {"m": 4, "unknown": 1}
    assert found["task_types"] == {"pick": 4, "unknown": 1}
    assert found["splits"] == {"train": 4, "unknown": 1}
    assert found["dialects"] == {"put": 4, "unknown": 1}
    assert found["repeated_ids"] == 1
    assert found["damaged_lines"] == []


def test_info_counts_the_whole_episodes_and_lists_the_damaged_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line("a") + b"junk\n" + line("b") + line("c")[:50])
    (tmp_path / "b.jsonl").touch()
    assert main(["data", "info", str(tmp_path), "--json"]) == ExitCode.CHECK_FAILED
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["episodes"] == 2
    junk, torn, empty = found["damaged_lines"]
    assert junk.startswith(f"{path}:2: not an episode record")
    assert torn.startswith(f"{path}:4: the last line is torn")
    assert empty.endswith("b.jsonl: the file is empty.")
    assert captured.err.startswith("error: 3 lines are no episodes; the first: ")


def test_info_reads_ten_thousand_episodes_quickly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line(f"e{number}", 17) for number in range(10_000)))
    began = time.process_time()
    assert main(["data", "info", str(path), "--json"]) == ExitCode.OK
    assert time.process_time() - began < 5  # a tenth of it on an idle machine
    assert json.loads(capsys.readouterr().out)["episodes"] == 10_000
