from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oreo_agent.episodes.formats import LogFormatError, LoggedEpisode, read_logged
from oreo_agent.episodes.formats.harness_text import clean_answer
from oreo_agent.episodes.formats.react import read_message
from oreo_agent.errors import MissingError, UsageError

ROOM = "You are in the middle of a room. Looking quickly around you, you see a desk 1."
TASK = f"{ROOM}\n\nYour task is to: put a mug in desk."
ETO = {
    "id": 7,
    "game_file": "/x/train/pick-Mug-None-Desk-301/trial_1",
    "conversations": [
        {"from": "human", "value": "Interact with a household. Format: Thought: … Action: …"},
        {"from": "gpt", "value": "OK"},
        {"from": "human", "value": TASK},
        {"from": "gpt", "value": "Thought: The desk.\nAction: go to desk 1"},
        {"from": "human", "value": "Observation: On the desk 1, you see a mug 1."},
        {"from": "gpt", "value": "Thought: There.\nAction: take mug 1 from desk 1"},
    ],
}
AGENT_TRAJ = {
    "item_id": "alfworld_3",
    "conversations": [
        {
            "from": "human",
            "loss": None,
            "value": "Your output: Thought:\n…\n\nAction:\n…",
        },
        {"from": "gpt", "loss": False, "value": "OK. I'll follow your instructions."},
        {"from": "human", "loss": None, "value": TASK + "\nAVAILABLE ACTIONS: go to desk 1,look"},
        {"from": "gpt", "loss": True, "value": "Thought:\nThe desk.\n\nAction:\ngo to desk 1"},
        {
            "from": "human",
            "loss": None,
            "value": "On the desk 1, you see a mug 1.\nAVAILABLE ACTIONS: look",
        },
        {"from": "gpt", "loss": False, "value": "Action:\nlook"},
        {"from": "human", "loss": None, "value": "You are facing the desk 1."},
    ],
}
OPENAI = {
    "messages": [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": [{"type": "text", "text": f"Here is your task. {TASK}"}]},
        {"role": "assistant", "content": "go to desk 1"},
        {"role": "tool", "content": "On the desk 1, you see a mug 1."},
    ],
    "reward": 0,
    "model": "some-model",
}
TRANSCRIPT = {
    "source": "x",
    "game": "train/pick-Mug-None-Desk-301/trial_1",
    "task_type": "pick_and_place_simple",
    "won": True,
    "initial_observation": TASK,
    "steps": [{"action": "go to desk 1", "observation": "On the desk 1, you see a mug 1."}],
}


def read(tmp_path: Path, format: str, *items: object) -> list[LoggedEpisode]:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")
    return list(read_logged(path, format))


def test_a_sharegpt_conversation_of_eto_is_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "sharegpt", ETO)
    assert found.goal == "put a mug in desk"
    assert found.opening == TASK
    assert [turn.action for turn in found.turns] == ["go to desk 1", "take mug 1 from desk 1"]
    assert found.turns[0].message == "Thought: The desk.\nAction: go to desk 1"
    assert [turn.answer for turn in found.turns] == ["On the desk 1, you see a mug 1.", None]
    assert (found.won, found.game) == (None, "/x/train/pick-Mug-None-Desk-301/trial_1")


def test_a_conversation_of_agenttraj_brings_its_lists_of_actions_and_loss_flags(
    tmp_path: Path,
) -> None:
    (found,) = read(tmp_path, "sharegpt", AGENT_TRAJ)
    assert [turn.action for turn in found.turns] == ["go to desk 1", "look"]
    assert [turn.admissible for turn in found.turns] == [("go to desk 1", "look"), ("look",)]
    assert found.turns[0].answer == "On the desk 1, you see a mug 1."
    assert found.opening == TASK
    assert found.unweighted == 1


def test_what_eto_explored_is_read_from_a_file_with_one_object(tmp_path: Path) -> None:
    explored = {**ETO, "meta": {"reward": True, "error": "/x/train/task/trial_9/game.tw-pddl"}}
    del explored["game_file"]
    path = tmp_path / "one.json"
    path.write_text(json.dumps(explored, indent=4), "utf-8")
    (found,) = read_logged(path, "sharegpt")
    assert (found.won, found.game) == (True, "/x/train/task/trial_9/game.tw-pddl")
    assert found.where == f"{path}:1"


def test_openai_messages_are_read_with_what_the_log_says_of_the_end(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "openai", OPENAI)
    assert (found.won, found.model, found.opening) == (False, "some-model", TASK)
    assert [(t.message, t.answer) for t in found.turns] == [
        ("go to desk 1", "On the desk 1, you see a mug 1.")
    ]


def test_transcripts_are_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "transcripts", TRANSCRIPT)
    assert (found.won, found.task_type, found.model) == (True, "pick_and_place_simple", "x")
    assert found.where == f"{tmp_path / 'log.jsonl'}:1"


def test_worked_examples_before_the_task_are_left_out(tmp_path: Path) -> None:
    example = [
        {"role": "user", "content": f"{ROOM}\nYour task is to: look at pen under the desklamp."},
        {"role": "assistant", "content": "go to shelf 1"},
    ]
    (found,) = read(tmp_path, "openai", {"messages": example + OPENAI["messages"]})  # type: ignore[operator]
    assert found.goal == "put a mug in desk"
    assert len(found.turns) == 1


def test_the_items_of_an_array_are_named_by_the_line_they_begin_on(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    path.write_text(json.dumps([TRANSCRIPT, TRANSCRIPT], indent=1), "utf-8")
    first, second = read_logged(path, "transcripts")
    lines = path.read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line == " {"]
    assert [int(e.where.rpartition(":")[2]) for e in (first, second)] == starts


def test_a_byte_order_mark_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n" + json.dumps(TRANSCRIPT).encode() + b"\n\n")
    (found,) = read_logged(path, "transcripts")
    assert found.where == f"{path}:2"


GOOD = json.dumps(TRANSCRIPT).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"PK\x03\x04", "bad.jsonl:1: not JSON: it begins with b'P'"),
        (b"\x1f\x8b\x08", "not JSON"),
        (b"[]", "holds no episode"),
        (b"[" + GOOD + b", {", "not a whole JSON array"),
        (GOOD + b"\n" + GOOD[:100], "bad.jsonl:2: not a JSON object"),
        (GOOD + b"\n[1, 2]\n", "bad.jsonl:2: Expected `object`, got `array`"),
        (GOOD + b"\n\xff\xfe\n", "bad.jsonl:2: not a JSON object"),
        (b'{"steps": "\xff"}\n', "bad.jsonl:1"),
        (b'{"steps": "\\ud800"}\n', "bad.jsonl:1"),
        (b'{"messages": []}\n', "`initial_observation` does not say"),
        (b'{"initial_observation": "Your task is to: x."}\n', "there are no `steps`"),
        (GOOD.replace(b'"won": true', b'"won": "yes"'), r"bad.jsonl:1: Expected .*`\$.won`"),
        (GOOD.replace(b'"action": "go to desk 1"', b'"action": 7'), r"`\$.steps\[0\].action`"),
        (b'{"x": ' + b"[" * 100_000 + b"\n", "bad.jsonl:1: not a JSON object"),
        (b"[" * 100_000, "not a whole JSON array"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_with_its_line(
    tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    with pytest.raises(LogFormatError, match=says) as caught:
        list(read_logged(path, "transcripts"))
    assert caught.value.fix


def test_an_endless_line_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oreo_agent.episodes.formats.json_items._LONGEST_LINE", 1000)
    path = tmp_path / "long.jsonl"
    path.write_bytes(GOOD + b"\n" + b'{"x": "' + b"a" * 2000)
    with pytest.raises(LogFormatError, match=r"long\.jsonl:2: the line is longer"):
        list(read_logged(path, "transcripts"))


def test_an_array_that_does_not_fit_into_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oreo_agent.episodes.formats.json_items._LARGEST_ARRAY", 1000)
    path = tmp_path / "large.json"
    path.write_bytes(b"[" + b" " * 2000 + b"]")
    with pytest.raises(LogFormatError, match=r"Turn it into JSON lines"):
        list(read_logged(path, "transcripts"))


def _said(*speakers: str) -> dict[str, object]:
    return {
        "conversations": [{"from": s, "value": TASK if s == "human" else "look"} for s in speakers]
    }


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (_said("gpt"), "no message to the agent says"),
        (_said("human"), "no action follows"),
        (_said("human", "gpt", "gpt"), "message 2: the agent speaks twice"),
        (_said("robot"), "message 1: from 'robot'"),
        (OPENAI, "there are no `conversations`"),
        ({"conversations": [{"from": "gpt"}]}, "bad.*message 1: it holds neither text nor a call"),
    ],
)
def test_a_conversation_that_is_no_game_is_refused(tmp_path: Path, item: object, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(item), "utf-8")
    with pytest.raises(LogFormatError, match=says):
        list(read_logged(path, "sharegpt"))


def test_answers_in_a_row_are_one_answer(tmp_path: Path) -> None:
    answers = [{"from": "observation", "value": text} for text in ("Nothing happens.", "Go on!")]
    talk = [{"from": "human", "value": TASK}, {"from": "gpt", "value": "look"}, *answers]
    (found,) = read(tmp_path, "sharegpt", {"conversations": talk})
    assert [turn.answer for turn in found.turns] == ["Nothing happens.\nGo on!"]


def test_a_pipe_and_a_folder_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(LogFormatError, match="not an ordinary file"):
            list(read_logged(path, "openai"))


def test_a_missing_file_and_an_unknown_format_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        list(read_logged(tmp_path / "none", "openai"))
    with pytest.raises(UsageError, match="openai, sharegpt, transcripts"):
        list(read_logged(tmp_path / "none", "csv"))


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Thought: I see.\nAction: go to desk 1", "go to desk 1"),
        ("THOUGHT: I see.\n ACTION: go to desk 1", "go to desk 1"),
        ("Thought:\nI see.\n\nAction:\ngo to desk 1</s>", "go to desk 1"),
        ("Think: well\nAct: look", "look"),
        ("**Action:** look", "look"),
        ("<think>Action: no</think><action>look</action>", "look"),
        ("Action: look\nThought: no\nAction: inventory\nObservation: x", "inventory"),
        ("> go to desk 1", "go to desk 1"),
        ("go to desk 1", "go to desk 1"),
        ("put mug 1 in/on desk 1 ", "put mug 1 in/on desk 1"),
        ("think: where is it?", "think: where is it?"),
        ("Thought: I do not know.", ""),
        ("I do not know.\nReally.", ""),
        ("Action:", ""),
        ("", ""),
    ],
)
def test_the_action_is_cut_out_of_the_message(message: str, action: str) -> None:
    assert read_message(message).action == action


def test_the_label_and_the_list_are_cut_off_an_observation() -> None:
    text = "Observation: On the desk 1, you see nothing.\nAVAILABLE ACTIONS: look, go to desk 1"
    shown = clean_answer(text)
    assert shown.text == "On the desk 1, you see nothing."
    assert shown.admissible == ("look", "go to desk 1")


PARTS = st.sampled_from(["Action:", "<action>", "</action>", "\n", "</s>", " x"])


@settings(deadline=None)  # the machine may be busy
@given(st.text() | st.lists(PARTS).map("".join))
def test_cutting_never_fails_and_gives_one_line(message: str) -> None:
    action = read_message(message).action
    assert action in message
    assert "\n" not in action


@pytest.mark.parametrize(
    "text",
    ["<action>" * 200_000, " \n" * 300_000 + "x", "Action:\n" * 100_000, "action " * 200_000],
)
def test_hostile_messages_take_no_time(text: str) -> None:
    assert len(read_message(text).action) <= len(text)
    assert clean_answer(text).admissible is None


def react(*steps: tuple[str, str]) -> dict[str, object]:
    """Return a transcript that logs thoughts as turns, as programs after ReAct do."""
    told = [{"action": action, "observation": answer} for action, answer in steps]
    return {"initial_observation": TASK, "steps": told}


def test_a_thought_is_part_of_the_message_of_the_next_action(tmp_path: Path) -> None:
    thoughts = ("think: First I need a mug.", "Think: It is on the desk.")
    steps = [
        (thoughts[0], "OK."),
        (thoughts[1], "OK."),
        ("go to desk 1", "On the desk 1."),
        ("look", ""),
    ]
    (found,) = read(tmp_path, "transcripts", react(*steps))
    assert [turn.action for turn in found.turns] == ["go to desk 1", "look"]
    assert found.turns[0].message == "\n".join((*thoughts, "go to desk 1"))
    assert found.turns[0].answer == "On the desk 1."
    assert found.turns[1].message == "look"
    assert found.thoughts == 2


def test_thoughts_of_a_conversation_are_joined_too(tmp_path: Path) -> None:
    talk = [TASK, "think: hm", "OK.", "look", "You see a desk 1.", "think: well"]
    said = [{"from": ("gpt" if i % 2 else "human"), "value": text} for i, text in enumerate(talk)]
    (found,) = read(tmp_path, "sharegpt", {"conversations": said})
    (turn,) = found.turns
    assert (turn.message, turn.action) == ("think: hm\nlook", "look")
    assert found.thoughts == 2  # the last one has no action to belong to


def test_a_thought_that_the_game_answered_stays_a_turn(tmp_path: Path) -> None:
    (found,) = read(
        tmp_path, "transcripts", react(("think: hm", "Nothing happens."), ("look", "x"))
    )
    assert [turn.action for turn in found.turns] == ["think: hm", "look"]
    assert found.thoughts == 0


def test_a_log_of_thoughts_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match="that act"):
        read(tmp_path, "transcripts", react(("think: hm", "OK.")))
