from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oreo_agent.cli import main
from oreo_agent.episodes import Actor, Episode, EpisodeStore, Outcome
from oreo_agent.episodes.export import EXPORT_FORMATS
from oreo_agent.episodes.record import (
    Candidate,
    Decision,
    Executed,
    Proposal,
    Turn,
    ValueEstimate,
    encode_episode,
)
from oreo_agent.errors import ExitCode

CORRECTED = Turn(
    observation="You see a desk 1.",
    executed=Executed(message="go to desk 1", action="go to desk 1", actor=Actor.HUMAN),
    proposed=Proposal(message="look", action="look", token_ids=(4, 2), logprobs=(-0.5, -0.1)),
    decision=Decision.TAKE_OVER,
    admissible=("go to desk 1", "look"),
    candidates=(Candidate(action="look", probability=0.9, value=0.1),),
    value=ValueEstimate(value=0.25, model="m"),
)
WRITTEN = Turn(
    observation="You arrive at desk 1.",
    executed=Executed(message="look", action="look", actor=Actor.POLICY, token_ids=(4, 2)),
    proposed=Proposal(message="look", action="look", token_ids=(4, 2), logprobs=(-0.5, -0.1)),
    reward=1.0,
)


def episode(id: str, outcome: Outcome = Outcome.SUCCESS, *turns: Turn, **more: Any) -> Episode:
    return Episode(
        id=id,
        env="alfworld",
        task="json/train/x",
        goal="put a mug in desk.",
        outcome=outcome,
        turns=turns or (CORRECTED, WRITTEN),
        final_observation="You win.",
        **more,
    )


def store(folder: Path, *episodes: Episode) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "episodes.jsonl").write_bytes(b"".join(map(encode_episode, episodes)))
    return folder


def export(source: Path, out: Path, format: str, *more: object) -> int:
    arguments = ("data", "export", source, "--format", format, "--out", out, *more)
    return main([*map(str, arguments)])


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def played(house_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve games of an expert that is distracted at times."""
    out = tmp_path_factory.mktemp("played")
    arguments = ["collect", "alfworld", "--agent", "expert", "--noise", "0.4", "--count", "12"]
    arguments += ["-s", f"games.source={house_folder}", "--out", str(out), "--quiet"]
    arguments += ["-s", "games.train=0", "-s", "games.validation=0", "-s", "workers=1"]
    assert main(arguments) == ExitCode.OK
    return out


@pytest.mark.parametrize("format", ["openai", "sharegpt", "transcripts"])
def test_what_is_exported_is_imported_as_it_was(
    played: Path, house_folder: Path, tmp_path: Path, format: str
) -> None:
    file, back = tmp_path / "log.jsonl", tmp_path / "back"
    assert export(played, file, format) == ExitCode.OK
    arguments = ["data", "import", "--format", format, str(file), "--out", str(back)]
    arguments += ["--games", str(house_folder), "--workers", "1", "--quiet"]
    assert main(arguments) == ExitCode.OK
    before = list(EpisodeStore(played / "episodes"))
    after = list(EpisodeStore(back))
    assert len(before) == 12

    def texts(episodes: list[Episode]) -> list[object]:
        return [
            [
                (e.task, e.goal, e.outcome, e.ret, e.final_observation, e.split, e.task_type),
                [(t.observation, t.executed.message, t.executed.action) for t in e.turns],
            ]
            for e in episodes
        ]

    assert texts(after) == texts(before)


def test_what_distracts_is_marked_as_not_to_be_imitated(played: Path, tmp_path: Path) -> None:
    assert export(played, tmp_path / "a.jsonl", "openai") == ExitCode.OK
    assert export(played, tmp_path / "b.jsonl", "sharegpt") == ExitCode.OK
    drawn = [
        turn.executed.actor is Actor.RANDOM
        for e in EpisodeStore(played / "episodes")
        for turn in e.turns
    ]
    assert any(drawn)
    chats = [m for row in rows(tmp_path / "a.jsonl") for m in row["messages"]]
    assert [m.get("weight") == 0 for m in chats if m["role"] == "assistant"] == drawn
    shares = [m for row in rows(tmp_path / "b.jsonl") for m in row["conversations"]]
    assert [not m["loss"] for m in shares if m["from"] == "gpt"] == drawn


def test_atif_holds_everything(tmp_path: Path) -> None:
    source = store(tmp_path / "in", episode("e1", parent="e0", fork_turn=1))
    assert export(source, tmp_path / "out.jsonl", "atif", "--json") == ExitCode.OK
    (row,) = rows(tmp_path / "out.jsonl")
    opening, first, second = row["steps"]
    assert (row["schema_version"], row["session_id"]) == ("ATIF-v1.4", "e1")
    assert [s["step_id"] for s in row["steps"]] == [1, 2, 3]
    assert opening == {"step_id": 1, "source": "user", "message": "You see a desk 1."}
    assert first["tool_calls"][0]["arguments"] == {"command": "go to desk 1"}
    assert first["observation"]["results"] == [
        {
            "source_call_id": first["tool_calls"][0]["tool_call_id"],
            "content": "You arrive at desk 1.",
        }
    ]
    assert first["extra"] == {
        "actor": "human",
        "decision": "take-over",
        "reward": 0.0,
        "value": 0.25,
        "admissible": ["go to desk 1", "look"],
        "candidates": [{"action": "look", "p": 0.9, "value": 0.1}],
        "proposed": "look",
    }
    assert second["metrics"]["completion_token_ids"] == [4, 2]
    assert second["metrics"]["logprobs"] == [-0.5, -0.1]
    assert second["observation"]["results"][0]["content"] == "You win."
    assert row["final_metrics"]["extra"] == {"outcome": "success", "reward": 1.0}
    assert (row["extra"]["parent"], row["extra"]["fork_turn"]) == ("e0", 1)


def test_what_a_format_cannot_hold_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = store(tmp_path / "in", episode("e1"), episode("e2", Outcome.UNFINISHED))
    assert export(source, tmp_path / "a.jsonl", "openai", "--json") == ExitCode.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["not_held"] == {
        "admissible actions": 2,
        "candidates": 2,
        "kinds of outcome": 1,
        "overruled proposals": 2,
        "token ids": 2,
        "log-probabilities": 4,
        "values": 2,
        "who acted": 2,
    }
    assert export(source, tmp_path / "b.jsonl", "trl-unpaired", "--json") == ExitCode.OK
    captured = capsys.readouterr()
    assert json.loads(captured.out)["left_out"] == {"unfinished, which has no return": 1}
    assert "trl-unpaired cannot hold: who acted (1)" in captured.err
    assert "won" not in rows(tmp_path / "a.jsonl")[1]  # nobody knows how it would have ended


def test_a_table_is_what_the_trainers_take(played: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from oreo_agent.learning.dataset_rows import rendered_episodes

    assert export(played, tmp_path / "rows.parquet", "parquet") == ExitCode.OK
    data = Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path))
    core = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }} {{ m.content }} <end> {% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}"
    )
    rendered = rendered_episodes(data, tokenizer)
    before = list(EpisodeStore(played / "episodes"))
    assert [(r.id, r.task, r.ret, r.won) for r in rendered] == [
        (e.id, e.task, e.ret, e.outcome is Outcome.SUCCESS) for e in before
    ]
    assert [len(r.turn_ends) for r in rendered] == [len(e.turns) for e in before]


def test_successes_and_failures_of_one_beginning_are_paired(tmp_path: Path) -> None:
    lost = Turn(
        observation="You see a desk 1.",
        executed=Executed(message="wait", action="wait", actor=Actor.POLICY),
    )
    elsewhere = msgspec.structs.replace(lost, observation="You see a sofa 1.")
    source = store(
        tmp_path / "in",
        episode("won"),
        episode("lost elsewhere", Outcome.HORIZON, elsewhere),
        episode("lost", Outcome.HORIZON, lost),
        episode("broken", Outcome.ERROR, lost),
    )
    assert export(source, tmp_path / "pairs.jsonl", "trl-preference") == ExitCode.OK
    (pair,) = rows(tmp_path / "pairs.jsonl")
    assert pair["prompt"] == [{"role": "user", "content": "You see a desk 1."}]
    assert [m["content"] for m in pair["chosen"]] == [
        "go to desk 1",
        "You arrive at desk 1.",
        "look",
    ]
    assert pair["rejected"] == [{"role": "assistant", "content": "wait"}]


def test_a_correction_is_a_pair_of_one_turn(tmp_path: Path) -> None:
    first = msgspec.structs.replace(WRITTEN, reward=0.0)
    source = store(tmp_path / "in", episode("e1", Outcome.SUCCESS, first, CORRECTED, WRITTEN))
    assert export(source, tmp_path / "pairs.jsonl", "trl-corrections") == ExitCode.OK
    (pair,) = rows(tmp_path / "pairs.jsonl")
    assert [m["role"] for m in pair["prompt"]] == ["user", "assistant", "user"]
    assert pair["prompt"][-1]["content"] == CORRECTED.observation
    assert pair["chosen"] == [{"role": "assistant", "content": "go to desk 1"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "look"}]


def test_only_the_outcomes_asked_for_are_written(tmp_path: Path) -> None:
    source = store(tmp_path / "in", episode("e1"), episode("e2", Outcome.HORIZON))
    out = tmp_path / "out.jsonl"
    assert export(source, out, "sharegpt", "--outcome", "horizon") == ExitCode.OK
    assert [row["id"] for row in rows(out)] == ["e2"]


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    source, out = store(tmp_path / "in", episode("e1")), tmp_path / "out.jsonl"
    out.write_text("mine")
    assert export(source, out, "openai") == ExitCode.USAGE
    assert out.read_text() == "mine"
    assert export(source, out, "openai", "--force") == ExitCode.OK
    assert len(rows(out)) == 1


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_a_damaged_store_leaves_no_file(tmp_path: Path, format: str) -> None:
    source = store(tmp_path / "in", episode("e1"))
    with (source / "episodes.jsonl").open("ab") as file:
        file.write(b'{"schema": 1}\n')
    out = tmp_path / ("out.parquet" if format == "parquet" else "out.jsonl")
    assert export(source, out, format) == ExitCode.RUN_FAILED
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_nothing_to_write_is_an_error_and_no_empty_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = store(tmp_path / "in", episode("e1", Outcome.UNFINISHED))
    assert export(source, tmp_path / "out.parquet", "parquet") != ExitCode.OK
    assert "1 unfinished, which has no return" in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(("format", "name"), [("openai", "a.parquet"), ("parquet", "a.jsonl")])
def test_a_name_of_another_kind_is_refused(tmp_path: Path, format: str, name: str) -> None:
    source = store(tmp_path / "in", episode("e1"))
    assert export(source, tmp_path / name, format) == ExitCode.USAGE
    assert not (tmp_path / name).exists()
