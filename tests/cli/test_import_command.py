from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.cli import main
from oreo_agent.envs.alfworld import AlfworldEnv
from oreo_agent.episodes import Actor, Episode, EpisodeStore, Outcome
from oreo_agent.errors import ExitCode
from oreo_agent.training import cpu_count

Log = dict[str, Any]
# Read before the tests get a home of their own.
OFFICIAL = os.environ.get("ALFWORLD_DATA")


def win(folder: Path, task: str, *, detour: str = "put nothing in/on shelf 1") -> Log:
    """Win a game in the old dialect; log it as programs do, without the navigation prefix."""
    env = AlfworldEnv(games=folder, dialect="put")
    opening = env.reset(task).text.partition("=-")[2].strip()
    steps = []
    for action in (detour, *(env.walkthrough(task) or ())):
        text = env.step(action).observation.text
        shown = text.partition(". ")[2] if text.startswith("You arrive at loc ") else text
        steps.append({"action": action, "observation": f"{shown}\n"})
    env.close()
    return {"won": True, "initial_observation": opening, "steps": steps}


def as_react(log: Log) -> Log:
    """Turn a transcript into a conversation of ETO; the last answer is not in it."""
    talk = [{"from": "human", "value": "Do it."}, {"from": "gpt", "value": "OK"}]
    talk.append({"from": "human", "value": log["initial_observation"]})
    for step in log["steps"]:
        message = f"Thought: I will {step['action']}, I think.\nAction: {step['action']}"
        talk.append({"from": "gpt", "value": message})
        talk.append({"from": "human", "value": f"Observation: {step['observation'].strip()}"})
    return {"conversations": talk[:-1]}


def write(path: Path, *logs: Log) -> Path:
    path.write_text("".join(json.dumps(log) + "\n" for log in logs), "utf-8")
    return path


def run(*arguments: object, format: str = "transcripts") -> int:
    return main(["data", "import", "--format", format, "--workers", "1", *map(str, arguments)])


@pytest.fixture(scope="module")
def logs(house_folder: Path) -> list[Log]:
    """Three games that were won."""
    tasks = [t for t in AlfworldEnv(games=house_folder).tasks("train") if "look_at" not in t]
    return [win(house_folder, task) for task in tasks[:3]]


@pytest.fixture(scope="module")
def odd_logs(logs: list[Log]) -> list[Log]:
    """The first game, with something odd in each log of it."""
    good = logs[0]
    *before, last = good["steps"]
    seen = {"action": before[1]["action"], "observation": "On the moon 1, you see a cheese 1."}
    return [
        {**good, "steps": before},  # its win never happened
        {**good, "steps": [*good["steps"], {"action": "look", "observation": "Nothing happens."}]},
        {**good, "steps": [before[0], seen, *before[2:], last]},
        {"initial_observation": good["initial_observation"], "steps": before},  # no end told
        {**good, "initial_observation": good["initial_observation"].replace(" 1,", " 77,")},
    ]


def test_transcripts_are_tied_to_their_games_replayed_and_translated(
    logs: list[Log], house_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "log.jsonl", *logs), tmp_path / "store"
    assert run(file, "--out", out, "--games", house_folder, "--json") == ExitCode.OK
    (told,) = json.loads(capsys.readouterr().out)["files"]
    turns = sum(len(log["steps"]) for log in logs)
    assert (told["turns_compared"], told["turns_agree"], told["agreement"]) == (turns, turns, 1.0)
    assert told["games"]["by_content"] == told["translated"] == told["openings_agree"] == 3
    assert told["turns_by_difference"]["space + wording"] >= 1
    assert told["turns_by_difference"]["space + prefix"] >= 3
    for episode, log in zip(EpisodeStore(out).read(), logs, strict=True):
        assert (episode.outcome, episode.dialect, episode.split) == ("success", "move", "train")
        assert episode.ret == 1.0
        assert episode.task_sha256
        assert episode.turns[0].observation.startswith("-= Welcome")
        assert episode.turns[0].executed.action == "move nothing to shelf 1"
        assert episode.turns[2].observation.startswith("You arrive at ")
        assert f"replay agrees in {len(log['steps'])} of" in (episode.note or "")


def test_a_record_can_be_played_again_in_its_game(
    logs: list[Log], house_folder: Path, tmp_path: Path
) -> None:
    from oreo_agent.session.replay import replay_turns

    file, out = write(tmp_path / "log.jsonl", logs[0]), tmp_path / "store"
    assert run(file, "--out", out, "--games", house_folder) == ExitCode.OK
    (episode,) = EpisodeStore(out).read()
    env = AlfworldEnv(games=house_folder)
    replayed = replay_turns(env, episode, len(episode.turns))
    env.close()
    assert replayed.last is not None
    assert replayed.last.terminated


def test_react_messages_are_kept_whole_with_their_action_translated(
    logs: list[Log], house_folder: Path, tmp_path: Path
) -> None:
    file, out = write(tmp_path / "eto.jsonl", as_react(logs[0])), tmp_path / "store"
    code = run(file, "--out", out, "--games", house_folder, format="sharegpt")
    assert code == ExitCode.OK
    (episode,) = EpisodeStore(out).read()
    assert episode.outcome is Outcome.SUCCESS  # the log does not say so; the replay does
    old, new = "put nothing in/on shelf 1", "move nothing to shelf 1"
    executed = episode.turns[0].executed
    assert (executed.action, executed.actor) == (new, Actor.POLICY)
    assert executed.message == f"Thought: I will {old}, I think.\nAction: {new}"
    assert episode.final_observation is not None
    assert episode.final_observation.startswith("You move the ")


def test_the_records_speak_the_dialect_that_is_asked_for(
    logs: list[Log], house_folder: Path, tmp_path: Path
) -> None:
    file, out = write(tmp_path / "log.jsonl", logs[0]), tmp_path / "store"
    code = run(file, "--out", out, "--games", house_folder, "--dialect", "put", "--actor", "human")
    assert code == ExitCode.OK
    (episode,) = EpisodeStore(out).read()
    assert episode.dialect == "put"
    assert [t.executed.action for t in episode.turns] == [s["action"] for s in logs[0]["steps"]]
    assert episode.turns[2].observation.startswith("You arrive at loc ")
    assert episode.turns[0].executed.actor is Actor.HUMAN


def test_without_games_episodes_are_kept_as_they_were_logged(
    logs: list[Log], tmp_path: Path
) -> None:
    file, out = write(tmp_path / "eto.jsonl", as_react(logs[0])), tmp_path / "store"
    assert run(file, "--out", out, "--games", "none", format="sharegpt") == ExitCode.OK
    (episode,) = EpisodeStore(out).read()
    assert (episode.outcome, episode.dialect) == (Outcome.UNFINISHED, "put")
    assert (episode.task_sha256, episode.split) == (None, None)
    assert episode.turns[1].observation == "Nothing happens."
    assert "game not found" in (episode.note or "")


def test_what_does_not_agree_is_counted_and_kept_as_logged(
    odd_logs: list[Log], house_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "log.jsonl", *odd_logs), tmp_path / "store"
    assert run(file, "--out", out, "--games", house_folder, "--json") == ExitCode.OK
    captured = capsys.readouterr()
    (told,) = json.loads(captured.out)["files"]
    false_win, too_long, other, open_end, foreign = EpisodeStore(out).read()
    lengths = [len(log["steps"]) for log in odd_logs]

    assert false_win.outcome is Outcome.HORIZON
    assert told["outcomes_contradicted"] == 1
    assert "the replay is believed" in captured.err

    assert (too_long.outcome, len(too_long.turns)) == (Outcome.SUCCESS, lengths[1] - 1)
    assert told["turns_by_difference"]["after the end"] == 1

    assert other.turns[2].observation == "On the moon 1, you see a cheese 1."
    assert other.outcome is Outcome.SUCCESS
    assert told["turns_by_difference"]["other"] == 1
    assert told["turns_agree"] == told["turns_compared"] - 2

    assert open_end.outcome is Outcome.UNFINISHED

    assert foreign.task.startswith("unknown/")
    assert told["games"]["not_found"] == 1
    assert "1 of 5 episodes are of no known game" in captured.err

    report = json.loads((out / Path(told["shard"]).with_suffix(".report.json").name).read_text())
    first = report["episodes"][2]["first_disagreement"]
    assert (first["turn"], first["kind"]) == (2, "other")
    assert first["logged"] == "On the moon 1, you see a cheese 1."
    assert first["played"].startswith("You arrive at ")


def test_a_second_import_of_a_file_is_refused_and_replaced_by_force(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "log.jsonl", logs[0]), tmp_path / "store"
    arguments = (file, "--out", out, "--games", "none")
    assert run(*arguments) == ExitCode.OK
    (first,) = EpisodeStore(out).read()
    assert run(*arguments) == ExitCode.USAGE
    assert "imported before" in capsys.readouterr().err
    assert run(*arguments, "--force") == ExitCode.OK
    (again,) = EpisodeStore(out).read()
    assert again.id == first.id


def test_a_damaged_file_among_good_ones_leaves_nothing_behind(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write(tmp_path / "good.jsonl", logs[0]), tmp_path / "bad.jsonl"
    bad.write_bytes(good.read_bytes() + good.read_bytes()[:100])
    out = tmp_path / "store"
    assert run(good, bad, "--out", out, "--games", "none") == ExitCode.RUN_FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    what, fix = captured.err.splitlines()
    assert what.startswith(f"error: {bad}:2: not a JSON object")
    assert fix.startswith("fix: ")
    assert not out.exists()


def test_a_store_that_cannot_be_written_is_left_as_it_was(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (write(tmp_path / f"{n}.jsonl", logs[n]) for n in range(2))
    out = tmp_path / "store"
    digest = hashlib.sha256(second.read_bytes()).hexdigest()
    blocked = out / f"import-{digest[:12]}.jsonl"
    blocked.mkdir(parents=True)  # a folder where the second shard should be
    assert run(first, second, "--out", out, "--games", "none", "--force") == ExitCode.RUN_FAILED
    assert f"{blocked} cannot be written" in capsys.readouterr().err
    assert list(out.iterdir()) == [blocked]


def test_a_file_in_place_of_the_store_is_refused(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "log.jsonl", logs[0]), tmp_path / "store"
    out.touch()
    assert run(file, "--out", out, "--games", "none") == ExitCode.USAGE
    assert "is no folder" in capsys.readouterr().err


def test_missing_games_are_said_before_anything_is_written(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "log.jsonl", logs[0]), tmp_path / "store"
    assert run(file, "--out", out) == ExitCode.MISSING
    assert "data download alfworld" in capsys.readouterr().err
    assert not out.exists()


HOSTILE = "\x1b[2J\x9b2J[bold]\u202e</s><end><act>${HOME}`ls`é💥"


def test_hostile_text_stays_data(
    logs: list[Log], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = {**logs[0], "game": f"../../{HOSTILE}", "model": HOSTILE}
    log["steps"] = [{"action": HOSTILE, "observation": HOSTILE}]
    file, out = write(tmp_path / "log.jsonl", log), tmp_path / "store"
    assert run(file, "--out", out, "--games", "none") == ExitCode.OK
    assert main(["data", "info", str(out)]) == ExitCode.OK
    assert main(["data", "info", str(out), "--json"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert not set("\x1b\x9b\u202e") & set(captured.out + captured.err)
    assert HOSTILE in json.loads(captured.out.splitlines()[-1])["models"]
    (episode,) = EpisodeStore(out).read()
    assert episode.turns[0].executed.message == HOSTILE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "store"]


def _imported(logs: list[Log], folder: Path, tmp_path: Path) -> list[Episode]:
    file, out = write(tmp_path / "log.jsonl", *map(as_react, logs)), tmp_path / "store"
    assert run(file, "--out", out, "--games", folder, format="sharegpt") == ExitCode.OK
    return list(EpisodeStore(out).read())


def test_imported_messages_survive_the_way_to_tokens_and_back(
    logs: list[Log], house_folder: Path, tmp_path: Path
) -> None:
    from oreo_agent.envs.registry import plugin_of
    from oreo_agent.models.prompt_text import PromptText
    from oreo_agent.models.rendering import Renderer
    from oreo_agent.models.tokenizer import train_tokenizer
    from oreo_agent.training.episode_filters import texts

    episodes = _imported(logs, house_folder, tmp_path)
    prompts = PromptText(plugin_of("alfworld").prompt_cuts)
    renderer = Renderer(train_tokenizer(texts(episodes, prompts)), prompts)
    for episode in episodes:
        rendered = renderer.render(episode)
        assert len(rendered.turn_ends) == len(episode.turns)
        assert rendered.won
    hostile = renderer.message(HOSTILE)
    assert renderer.decode(hostile) == HOSTILE


@pytest.mark.slow
def test_an_agent_is_trained_from_imported_episodes(
    logs: list[Log], house_folder: Path, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    _imported(logs, house_folder, tmp_path)
    sets = [part for setting in tiny_settings for part in ("-s", setting)]
    arguments = ["train", "alfworld", "--episodes", str(tmp_path / "store"), "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "run"), *sets]) == ExitCode.OK
    assert (tmp_path / "run" / "checkpoints" / "oreo").is_dir()


@pytest.mark.slow
def test_the_published_transcripts_agree_with_the_engine(
    shared_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not OFFICIAL or not (Path(OFFICIAL) / "json_2.1.1" / "train").is_dir():
        pytest.skip("needs the official training games in ALFWORLD_DATA")
    file = shared_dir / "data" / "knowagent-transcripts-train.jsonl"
    anonymous = tmp_path / "anonymous.jsonl"
    logs = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    write(anonymous, *({**log, "game": None} for log in logs))
    assert run(anonymous, "--data", OFFICIAL, "--out", tmp_path / "out", "--json") == ExitCode.OK
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert told["games"]["by_content"] == told["openings_agree"] == len(logs)
    assert told["agreement"] >= 0.99
    assert told["outcomes_contradicted"] == told["faults"] == 0
    found = [episode.task for episode in EpisodeStore(tmp_path / "out").read()]
    true = sum(task.endswith(log["game"]) for task, log in zip(found, logs, strict=True))
    assert true >= 0.98 * len(logs)


def test_thoughts_are_in_the_messages_and_the_replay_agrees(
    logs: list[Log], house_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = []
    for step in logs[0]["steps"]:
        steps += [{"action": "think: What now?", "observation": "OK."}, step]
    file, out = write(tmp_path / "log.jsonl", {**logs[0], "steps": steps}), tmp_path / "store"
    assert run(file, "--out", out, "--games", house_folder, "--json") == ExitCode.OK
    (told,) = json.loads(capsys.readouterr().out)["files"]
    count = len(logs[0]["steps"])
    assert (told["turns_compared"], told["turns_agree"]) == (count, count)
    assert told["thoughts_joined"] == count
    (episode,) = EpisodeStore(out).read()
    assert (episode.outcome, len(episode.turns)) == (Outcome.SUCCESS, count)
    assert episode.turns[0].executed.message == "think: What now?\nmove nothing to shelf 1"
    assert episode.turns[0].executed.action == "move nothing to shelf 1"


def test_no_workers_are_the_cores_that_the_container_may_use(
    logs: list[Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import oreo_agent.importing as importing

    asked = []

    def import_logs(*arguments: object, **named: object) -> list[object]:
        asked.append(arguments[2].processes)  # type: ignore[attr-defined]  # ImportOptions
        return []

    quota = tmp_path / "cpu.max"
    quota.write_text("300000 100000")
    monkeypatch.setattr(cpu_count, "_CPU_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(importing, "import_logs", import_logs)
    file = write(tmp_path / "log.jsonl", logs[0])
    arguments = ["data", "import", "--format", "transcripts", str(file), "--out", str(tmp_path)]
    assert main(arguments) == ExitCode.OK
    assert asked == [3]
