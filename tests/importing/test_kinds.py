"""Kinds of logs that once were misread, refused whole, or believed without reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oreo_agent.episodes import Episode, EpisodeStore, Outcome
from oreo_agent.episodes.formats import LogFormatError
from oreo_agent.importing import ImportOptions, ImportReport, import_logs
from tests.importing.log_variants import Game, Log, Variant, play


@pytest.fixture(scope="module")
def game(house_folder: Path) -> Game:
    """A game of four turns."""
    return play(house_folder)


Brought = tuple[ImportReport, list[Episode]]


def bring(
    folder: Path, *logs: Log, games: Path | None, format: str = "openai", **options: Any
) -> Brought:
    """Import logs; return the report and the episodes."""
    file, out = folder / "log.jsonl", folder / "store"
    file.write_text("".join(json.dumps(log) + "\n" for log in logs), "utf-8")
    named = None if games is None else str(games)
    chosen = ImportOptions(format=format, games=named, force=True, **options)
    (report,) = import_logs([file], out, chosen)
    return report, list(EpisodeStore(out).read())


def actions(episode: Episode) -> list[str]:
    return [turn.executed.action for turn in episode.turns]


def right(game: Game, brought: Brought) -> Episode:
    """Check that an import brought the game's turns and nothing else; return the last one."""
    report, episodes = brought
    for told, episode in zip(report.episodes, episodes, strict=True):
        assert (told.compared, told.agree) == (len(game.steps), len(game.steps)), told
        assert actions(episode) == [step.action for step in game.steps]
        assert episode.outcome is Outcome.SUCCESS
    return episodes[-1]


def talk(game: Game, *, start: str | None = None) -> Log:
    """Return the plain conversation of a game."""
    log = Variant().write(game)
    if start is not None:
        log["messages"][0]["content"] = start
    return log


# A command outside the text.


def test_a_thought_beside_a_call_is_kept_and_never_the_command(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = {**Variant(call="text").write(game), "won": True}
    episode = right(game, bring(tmp_path, log, games=house_folder))
    step = game.steps[0]
    assert episode.turns[0].executed.message == f"{step.thought}\nAction: {step.action}"


def test_two_calls_in_one_message_are_two_turns_with_their_answers(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = Variant(call="text", speakers=("openai", "tool", "assistant")).write(game)
    said = log["messages"]
    first, answer, second = said[1:4]
    first["tool_calls"] += second["tool_calls"]
    log["messages"] = [said[0], first, answer, *said[4:]]
    right(game, bring(tmp_path, log, games=house_folder))


def test_tools_to_think_with_are_thoughts(game: Game, house_folder: Path, tmp_path: Path) -> None:
    log = Variant(call="null", speakers=("openai", "tool", "assistant")).write(game)
    think = {"function": {"name": "think", "arguments": '{"thought": "Where is it?"}'}}
    log["messages"][1:1] = [
        {"role": "assistant", "content": None, "tool_calls": [think]},
        {"role": "tool", "content": "OK."},
    ]
    episode = right(game, bring(tmp_path, log, games=house_folder))
    assert episode.turns[0].executed.message.startswith("Where is it?\n")


@pytest.mark.parametrize(
    "call",
    [
        {"function": {"name": "search_web", "arguments": '{"query": "where is the mug?"}'}},
        {"function": {"name": "act", "arguments": '{"steps": [1, 2]}'}},
        {"function": {"name": "answer", "arguments": "I need a mug."}},
        {"id": "c", "type": "function"},
        7,
    ],
)
def test_a_call_that_is_not_understood_is_refused_with_its_message(
    game: Game, tmp_path: Path, call: object
) -> None:
    log = talk(game)
    log["messages"][3] = {"role": "assistant", "content": "I need it.", "tool_calls": [call]}
    with pytest.raises(LogFormatError, match="message 4: a call is not understood") as caught:
        bring(tmp_path, log, games=None)
    assert "--skip-bad" in caught.value.fix


@pytest.mark.parametrize(
    "message",
    [
        {"content": None},
        {"content": None, "tool_calls": []},
        {"toolUses": [{"action": "look"}]},
        {"content": None, "tool_calls": None, "function_call": None},
    ],
)
def test_a_message_without_text_and_calls_is_refused(
    game: Game, tmp_path: Path, message: Log
) -> None:
    log = talk(game)
    log["messages"][1] = {"role": "assistant", **message}
    with pytest.raises(LogFormatError, match="message 2: it holds neither text nor a call"):
        bring(tmp_path, log, games=None)


def test_a_log_whose_agent_only_writes_prose_is_refused(game: Game, tmp_path: Path) -> None:
    log = talk(game)
    for message in log["messages"][1::2]:
        message["content"] = "I need a towel, and it may be over there."
        message["actions"] = ["unknown to us"]
    with pytest.raises(LogFormatError, match="none of the agent's messages holds a command"):
        bring(tmp_path, {**log, "won": True}, games=None)


def test_prose_among_commands_is_no_command(game: Game, house_folder: Path, tmp_path: Path) -> None:
    log = talk(game)
    log["messages"][1]["content"] = "I think that I need a towel."
    report, (episode,) = bring(tmp_path, {**log, "won": True}, games=house_folder)
    assert report.episodes[0].agree < 4
    assert "I think" not in episode.turns[0].executed.action
    assert episode.outcome is not Outcome.SUCCESS


def test_a_success_that_the_replay_does_not_confirm_is_believed_only_when_trusted(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    log["messages"][7]["content"] = "Action: dance"
    log = {**log, "won": True}
    for games in (house_folder, None):
        report, (episode,) = bring(tmp_path, log, games=games)
        assert (episode.outcome, episode.turns[-1].reward) == (Outcome.UNFINISHED, 0.0)
        assert report.episodes[0].outcome_unconfirmed
        report, (episode,) = bring(tmp_path, log, games=games, trust_outcomes=True)
        assert (episode.outcome, episode.ret) == (Outcome.SUCCESS, 1.0)
    lost = tmp_path / "lost"
    lost.mkdir()
    _, (episode,) = bring(lost, {**log, "won": False}, games=house_folder)
    assert episode.outcome is Outcome.HORIZON


# Goal and room.


def test_task_and_room_may_stand_in_two_messages(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    logs = []
    for role, first, second in (
        ("user", game.goal, game.room),
        ("user", game.room, game.goal),
        ("system", game.goal, game.room),
    ):
        log = talk(game)
        log["messages"][:1] = [
            {"role": role, "content": first},
            {"role": "user", "content": second},
        ]
        logs.append(log)
    right(game, bring(tmp_path, *logs, games=house_folder))


def test_the_room_may_stand_in_a_message_of_its_own_before_an_answer_of_the_agent(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game, start=game.room)
    log["messages"][:0] = [
        {"role": "user", "content": f"You live here. {game.goal} Answer OK."},
        {"role": "assistant", "content": "OK"},
    ]
    report, episodes = bring(tmp_path, log, games=house_folder)
    right(game, (report, episodes))
    assert report.episodes[0].left_out == 1


STARTS = (
    "{room}\nYour task is to: {plain} [Step 0/50]",
    "Your task is to: {plain} AVAILABLE ACTIONS: look, inventory\n{room}",
    "{room}\nYour task is to: {plain} (you get 50 steps for it)",
    "{room}\n\n**Your task is to:** {plain}",
    "Task: {plain}\n{room}",
    "# Goal: {plain}.\n\n# Room\n{room}",
    "Your task is:\n{plain}.\n\nObservation: {room}",
    "{lower}\nyour task is to: {plain}.",
)


def test_the_task_is_found_among_other_text(game: Game, house_folder: Path, tmp_path: Path) -> None:
    plain = game.goal.removeprefix("Your task is to: ").removesuffix(".")
    texts = [s.format(room=game.room, plain=plain, lower=game.room.lower()) for s in STARTS]
    logs = [talk(game, start=text) for text in texts]
    report, episodes = bring(tmp_path, *logs, games=house_folder)
    right(game, (report, episodes))
    assert {episode.goal for episode in episodes} == {plain}


def growing(game: Game, mark: str = "> ") -> list[Log]:
    """Return a conversation in which each prompt tells of everything so far."""
    text, said = f"{game.room}\n{game.goal}\n", []
    for step in game.steps:
        said.append({"role": "user", "content": f"{text}>"})
        said.append({"role": "assistant", "content": step.action})
        text += f"{mark}{step.action}\n{step.answer}\n"
    return [*said, {"role": "user", "content": text}]


def test_prompts_that_grow_are_read_without_losing_a_turn(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    marks = ("> ", "Action: ", "Act 1: ")
    logs = [{"messages": growing(game, mark), "won": True} for mark in marks]
    right(game, bring(tmp_path, *logs, games=house_folder))


def test_turns_told_of_in_the_prompt_are_turns(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    said = growing(game)
    last = {"messages": said[-3:], "won": True}  # only the last turn has messages of its own
    others = [{**last, "messages": said[place : place + 3]} for place in (2, 4)]
    _, episodes = bring(tmp_path, last, *others, games=house_folder)
    steps = [step.action for step in game.steps]
    assert [actions(episode) for episode in episodes] == [steps, steps[:2], steps[:3]]
    assert [e.outcome is Outcome.SUCCESS for e in episodes] == [True, False, False]


def test_prompts_with_the_last_turns_in_quotes_are_read(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    seen = [f"{game.room}\n\n{game.goal}", *(step.answer for step in game.steps)]
    said: list[Log] = []
    for turn, text in enumerate(seen):
        prompt = f"You are an agent. Your current observation is: {text}\n"
        if turn:
            window = range(max(0, turn - 2), turn)
            past = "".join(
                f"\n[Observation {i + 1}: '{seen[i]}', Action {i + 1}: '{game.steps[i].action}']"
                for i in window
            )
            prompt = (
                f"You are an agent. {game.goal} Prior to this step, you have already taken {turn} "
                f"step(s). Below are the most recent {len(window)} observations and the actions "
                f"you took: {past}\nYou are now at step {turn + 1} and your current observation "
                f"is: {text}\n"
            )
        prompt += "Your admissible actions of the current situation are: ['look'\n 'help'].\n\nNow "
        said.append({"role": "user", "content": f"{prompt}it's your turn to take an action."})
        if turn < len(game.steps):
            action = game.steps[turn].action
            said.append(
                {"role": "assistant", "content": f"<think>…</think><action>{action}</action>"}
            )
    right(game, bring(tmp_path, {"messages": said}, games=house_folder))


def test_a_look_around_is_no_new_game(game: Game, house_folder: Path, tmp_path: Path) -> None:
    log = Variant(repeats_goal=True).write(game)
    look = [
        {"role": "assistant", "content": "Action: look"},
        {"role": "user", "content": f"{game.room}\n{game.goal}"},
    ]
    log["messages"][1:1] = look + look
    _, (episode,) = bring(tmp_path, log, games=house_folder)
    assert actions(episode)[:3] == ["look", "look", game.steps[0].action]
    assert len(episode.turns) == len(game.steps) + 2


def test_a_second_try_at_the_same_game_begins_anew_and_the_first_is_counted(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    log["messages"] = log["messages"][:3] + log["messages"]
    report, episodes = bring(tmp_path, {**log, "won": True}, games=house_folder)
    right(game, (report, episodes))
    assert report.totals()["messages_left_out"] == 1


# Text of the harness.


AROUND = (
    "{answer} Congratulations, you have done it!",
    "Result -> {answer}",
    "{answer}\n--- 3 calls used, be quick ---",
    "<obs>\n{answer}\n</obs>",
    "{upper}",
)


def test_unknown_text_around_an_answer_is_seen_past_and_not_stored(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    logs = []
    for text in AROUND:
        log = talk(game)
        for message, step in zip(log["messages"][2::2], game.steps, strict=True):
            message["content"] = text.format(answer=step.answer, upper=step.answer.upper())
        logs.append(log)
    report, episodes = bring(tmp_path, *logs, games=house_folder)
    episode = right(game, (report, episodes))
    assert [told.kinds for told in report.episodes] == [{"harness": 4}] * len(AROUND)
    assert episode.turns[1].observation == game.steps[0].answer


@pytest.mark.parametrize("more", ["You open the drawer 1.", "On the shelf 1, you see a mug 1."])
def test_more_of_the_game_than_the_engine_says_is_a_disagreement(
    game: Game, house_folder: Path, tmp_path: Path, more: str
) -> None:
    log = talk(game)
    log["messages"][2]["content"] += f" {more}"
    report, _ = bring(tmp_path, log, games=house_folder)
    assert report.episodes[0].kinds == {"same": 3, "other": 1}


def test_the_answer_to_help_is_no_list_of_the_harness(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    shown = "Available commands: look, inventory"
    log["messages"][1:1] = [
        {"role": "assistant", "content": "Action: help"},
        {"role": "user", "content": shown},
    ]
    report, (episode,) = bring(tmp_path, log, games=house_folder)
    assert (report.episodes[0].compared, report.episodes[0].agree) == (5, 4)
    assert episode.turns[1].observation == shown


# Decorated commands.


def test_a_decorated_command_that_the_game_refused_stays_as_it_was_written(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    step = game.steps[0]
    log["messages"][1:1] = [
        {"role": "assistant", "content": f"Action: {step.action.upper()}!"},
        {"role": "user", "content": "Nothing happens."},
    ]
    report, (episode,) = bring(tmp_path, log, games=house_folder)
    assert report.episodes[0].kinds == {"same": 5}
    assert actions(episode)[:2] == [f"{step.action.upper()}!", step.action]
    assert episode.outcome is Outcome.SUCCESS


def test_a_wording_that_the_engine_does_not_confirm_leaves_no_trace(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    log["messages"][1:1] = [
        {"role": "assistant", "content": f"Action: **{game.steps[0].action}**"},
        {"role": "user", "content": "Error. Your input must contain a plain action."},
    ]
    report, (episode,) = bring(tmp_path, log, games=house_folder)
    assert report.episodes[0].kinds == {"same": 4, "other": 1}
    assert actions(episode)[:2] == [f"**{game.steps[0].action}**", game.steps[0].action]
    assert episode.outcome is Outcome.SUCCESS


def test_without_games_a_decorated_command_is_stored_plain(game: Game, tmp_path: Path) -> None:
    log = Variant(decoration="back-ticks").write(game)
    _, (episode,) = bring(tmp_path, log, games=None)
    assert actions(episode) == [step.action for step in game.steps]


def test_the_other_wording_of_placing_is_tried(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    *before, last = game.steps
    words = last.action.split()
    put = f"put {words[1]} {words[2]} in/on {words[4]} {words[5]}"
    log["messages"][7]["content"] = f"Action: {put}"
    assert len(before) == 3
    right(game, bring(tmp_path, log, games=house_folder))


def test_transcripts_may_be_decorated_too(game: Game, house_folder: Path, tmp_path: Path) -> None:
    steps = [
        {"action": f"> {step.action.title()}.", "observation": f"Step {turn}/9\n{step.answer}"}
        for turn, step in enumerate(game.steps, 1)
    ]
    log = {"initial_observation": f"{game.goal}\n{game.room}", "steps": steps}
    right(game, bring(tmp_path, log, games=house_folder, format="transcripts"))


# Invented answers.


def test_an_observation_before_the_action_is_the_agents_own_summary(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    log = talk(game)
    for message in log["messages"][1::2]:
        message["content"] = f"Observation: I see much.\n{message['content']}"
    right(game, bring(tmp_path, log, games=house_folder))


# Other programs' words.


def test_calls_may_be_messages_of_a_speaker_of_their_own(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    logs = []
    for speaker, argument in (
        ("function_call", "action"),
        ("tool_call", "command"),
        ("Function_Call", "text"),
    ):
        said = [{"from": "human", "value": f"{game.room}\n{game.goal}"}]
        for step in game.steps:
            call = {"name": "act", "arguments": {argument: step.action}}
            said.append({"from": "gpt", "value": step.thought})
            said.append({"from": speaker, "value": json.dumps(call)})
            said.append({"from": "observation", "value": step.answer})
        logs.append({"conversations": said})
    episode = right(game, bring(tmp_path, *logs, games=house_folder, format="sharegpt"))
    assert episode.turns[0].executed.message.startswith(game.steps[0].thought)


def test_a_log_that_takes_one_side_for_the_other_is_read(
    game: Game, house_folder: Path, tmp_path: Path
) -> None:
    said = [{"role": "user", "content": f"{game.room}\n{game.goal}"}]
    said.append({"role": "assistant", "content": "OK."})
    for step in game.steps:
        said.append({"role": "user", "content": step.action})
        said.append({"role": "assistant", "content": step.answer})
    right(game, bring(tmp_path, {"messages": said}, games=house_folder))


OUTCOMES: list[tuple[Log, Outcome]] = [
    ({}, Outcome.UNFINISHED),
    ({"done": False}, Outcome.UNFINISHED),
    ({"won": 0}, Outcome.HORIZON),
    ({"success": "False"}, Outcome.HORIZON),
    ({"reward": "0.0"}, Outcome.HORIZON),
    ({"score": 0.5}, Outcome.HORIZON),
    ({"is_success": False}, Outcome.HORIZON),
    ({"won": 1}, Outcome.SUCCESS),
    ({"success": "True"}, Outcome.SUCCESS),
    ({"reward": "1.0"}, Outcome.SUCCESS),
    ({"score": 100}, Outcome.SUCCESS),
    ({"is_success": True}, Outcome.SUCCESS),
    ({"done": True}, Outcome.SUCCESS),
    ({"meta": {"reward": "1"}}, Outcome.SUCCESS),
]


@pytest.mark.parametrize(("said", "outcome"), OUTCOMES)
def test_outcomes_are_read_in_the_words_in_use(
    game: Game, tmp_path: Path, said: Log, outcome: Outcome
) -> None:
    log = {**talk(game), **said}
    _, (episode,) = bring(tmp_path, log, games=None, trust_outcomes=True)
    assert episode.outcome is outcome


@pytest.mark.parametrize("value", ["perhaps", "nan", [], {}, ""])
def test_an_outcome_that_is_none_is_refused(game: Game, tmp_path: Path, value: object) -> None:
    with pytest.raises(LogFormatError, match=r"Expected a truth value or a number.*\$\.success"):
        bring(tmp_path, {**talk(game), "success": value}, games=None)


def test_odd_records_are_left_out_counted_and_named(game: Game, tmp_path: Path) -> None:
    odd: list[Any] = [{"messages": []}, {**talk(game), "won": {}}, [1], "text", None]
    file = tmp_path / "log.jsonl"
    lines = [json.dumps(record) for record in (*odd, talk(game))] + ['{"messages": [{"ro']
    file.write_text("\n".join(lines), "utf-8")
    options = ImportOptions(format="openai", games=None)
    with pytest.raises(LogFormatError) as caught:
        import_logs([file], tmp_path / "out", options)
    assert "--skip-bad" in caught.value.fix
    (report,) = import_logs([file], tmp_path / "out", replace(options, skip_bad=True))
    assert report.totals()["records_left_out"] == 6
    assert report.totals()["episodes"] == 1
    places = [why.why.removeprefix(f"{file}:").partition(":")[0] for why in report.left_out]
    assert places == ["1", "2", "3", "4", "5", "7"]


def test_a_file_whose_first_record_is_odd_is_read_past_it(game: Game, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    for first in ("null", "[1, 2]", '"a comment"', "# a comment"):
        file.write_text(f"{first}\n{json.dumps(talk(game))}\n", "utf-8")
        options = ImportOptions(format="openai", games=None, skip_bad=True, force=True)
        (report,) = import_logs([file], tmp_path / "out", options)
        assert len(report.left_out) == 1, first


def test_a_file_of_odd_records_alone_is_refused_even_so(game: Game, tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match="no record can be read") as caught:
        bring(tmp_path, {"messages": []}, {"messages": [{}]}, games=None, skip_bad=True)
    assert "there are no `messages`" in caught.value.what


# Files that were published, in their own shapes.


def test_agent_instructs_shape_is_read(game: Game, house_folder: Path, tmp_path: Path) -> None:
    said = [
        {"from": "human", "loss": None, "value": "Interact. Your output: THOUGHT: …\n ACTION: …"},
        {"from": "gpt", "loss": False, "value": "OK. I'll follow your instructions."},
    ]
    start = f"Here is your task. {game.room}\n{game.goal}\n"
    said.append({"from": "human", "loss": None, "value": start})
    for step in game.steps:
        said.append({"from": "gpt", "loss": True, "value": f"THOUGHT: Hm.\nACTION: {step.action}"})
        said.append({"from": "human", "loss": None, "value": f"OBSERVATION: {step.answer}"})
    log = {"id": "alfworld_0", "conversations": said}
    report, episodes = bring(tmp_path, log, games=house_folder, format="sharegpt")
    right(game, (report, episodes))
    assert report.episodes[0].left_out == 1


def test_reacts_shape_is_read(game: Game, house_folder: Path, tmp_path: Path) -> None:
    steps = [{"action": "think: First a towel.", "observation": "OK."}]
    for step in game.steps:
        shown = step.answer.partition(". ")[2] if "arrive" in step.answer else step.answer
        steps.append({"action": step.action, "observation": shown})
    log = {"initial_observation": f"{game.room}\n{game.goal}\n", "steps": steps, "won": True}
    report, episodes = bring(tmp_path, log, games=house_folder, format="transcripts")
    episode = right(game, (report, episodes))
    assert report.episodes[0].thoughts == 1
    assert episode.turns[0].executed.message.startswith("think: First a towel.\n")


def test_agent_benchs_shapes_are_read(game: Game, house_folder: Path, tmp_path: Path) -> None:
    empty = {"tool_calls": None, "tool_call_id": None, "name": None}
    called: list[Log] = [{"role": "user", "content": f"{game.room}\n{game.goal}", **empty}]
    plain: list[Log] = [{"role": "user", "content": f"{game.room}\n{game.goal}\n"}]
    commands = [*(step.action for step in game.steps), "Task succeeded."]
    for command, answer in zip(
        commands, [*(step.answer for step in game.steps), None], strict=True
    ):
        arguments = json.dumps({"action": command})
        call = {"function": {"arguments": arguments, "name": "take_action"}, "type": "function"}
        called.append({"role": "agent", "content": "I go on.", **empty, "tool_calls": [call]})
        plain.append({"role": "agent", "content": f"ACTION: {command}\n"})
        if answer is not None:
            called.append({"role": "tool", "content": answer, **empty})
            plain.append({"role": "user", "content": f"{answer}\n"})
    logs = [{"messages": called}, {"messages": plain}]
    report, episodes = bring(tmp_path, *logs, games=house_folder)
    for told, episode in zip(report.episodes, episodes, strict=True):
        assert (told.agree, told.kinds["after the end"]) == (4, 1)
        assert actions(episode) == [step.action for step in game.steps]
        assert episode.outcome is Outcome.SUCCESS
