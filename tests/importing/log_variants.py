"""One game of four turns, written down as many programs would."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from oreo_agent.envs.alfworld import AlfworldEnv

Log = dict[str, Any]
Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One turn of the game."""

    action: str
    answer: str
    listed: tuple[str, ...]
    """The admissible commands behind it."""
    thought: str = "I should be quick; the list is long."


@dataclass(frozen=True, kw_only=True)
class Game:
    """What was played."""

    task: str
    room: str
    goal: str
    """The whole sentence."""
    listed: tuple[str, ...]
    steps: tuple[Step, ...]


def play(folder: Path, name: str = "pick_and_place_simple") -> Game:
    """Play the shortest way through the first game of a type."""
    env = AlfworldEnv(games=folder)
    task = next(task for task in env.tasks("train") if name in task)
    first = env.reset(task)
    banner, room, goal = first.text.split("\n\n")
    assert banner.startswith("-=")
    steps = []
    for action in env.walkthrough(task) or ():
        seen = env.step(action).observation
        step = Step(action=action, answer=seen.text, listed=tuple(seen.admissible or ()))
        steps.append(step)
    env.close()
    return Game(
        task=task, room=room, goal=goal, listed=tuple(first.admissible or ()), steps=tuple(steps)
    )


OPENINGS: Mapping[str, Callable[[str, str], str]] = {
    "room first": lambda room, goal: f"{room}\n\n{goal}",
    "one line": lambda room, goal: f"{room} {goal}",
    "goal first": lambda room, goal: f"{goal}\n{room}",
    "goal first in one line": lambda room, goal: f"{goal} {room}",
    "observation": lambda room, goal: f"You act. {goal}\nYour current observation is: {room}",
    "banner": lambda room, goal: f"-= Welcome to TextWorld, ALFRED! =-\n\n{room}\n\n{goal}",
    "instructed": lambda room, goal: (
        f"Answer with `Action: …`.\n\nHere is your task. {room}\n{goal}"
    ),
    "asked": lambda room, goal: f"{room}\n{goal}\nWhat is your next action?",
    "bold": lambda room, goal: f"**Observation:** {room}\n\n**{goal}**",
}

HARNESSES: Mapping[str, Callable[[str, tuple[str, ...], int], str]] = {
    "none": lambda text, listed, turn: text,
    "label": lambda text, listed, turn: f"Observation: {text}",
    "list on one line": lambda text, listed, turn: (
        f"{text}\nAVAILABLE ACTIONS: {', '.join(listed)}"
    ),
    "list behind": lambda text, listed, turn: f"{text} AVAILABLE ACTIONS: {chr(10).join(listed)}\n",
    "bullets": lambda text, listed, turn: f"{text}\nAvailable actions:\n- " + "\n- ".join(listed),
    "sentence": lambda text, listed, turn: (
        f"{text}\nYour admissible actions of the current situation are: {list(listed)!r}.\n\n"
        "Now it's your turn to take an action, in <action> </action> tags."
    ),
    "list before": lambda text, listed, turn: (
        f"Valid commands: {', '.join(listed)}\nObservation: {text}"
    ),
    "turns left": lambda text, listed, turn: f"{text}\nYou have {49 - turn} turns left.",
    "counter before": lambda text, listed, turn: f"[Step {turn}/50] {text}",
    "counter behind": lambda text, listed, turn: f"{text} (Step {turn} of 50)",
    "numbered": lambda text, listed, turn: f"Turn {turn}: {text}",
    "fraction": lambda text, listed, turn: f"({turn}/50) {text}",
    "used": lambda text, listed, turn: f"{text} You have used {turn} out of 50 steps.",
    "semicolons": lambda text, listed, turn: f"{text}\nAllowed actions: [{'; '.join(listed)}]",
    "score": lambda text, listed, turn: f"{text}\nReward: 0.0\nDone: False",
    "question": lambda text, listed, turn: f"{text}\n\nWhat will you do next?",
    "blanks": lambda text, listed, turn: f"\n{text}  \n",
}

DECORATIONS: Mapping[str, Callable[[str, str], str]] = {
    "plain": lambda thought, action: action,
    "react": lambda thought, action: f"Thought: {thought}\nAction: {action}",
    "period": lambda thought, action: f"Thought: {thought}\nAction: {action}.",
    "capital": lambda thought, action: f"Action: {action.capitalize()}",
    "upper": lambda thought, action: f"{thought}\nACTION: {action.upper()}",
    "title": lambda thought, action: f"Thought: {thought}\nAction: {action.title()}",
    "quotes": lambda thought, action: f'Thought: {thought}\nAction: "{action}"',
    "curly quotes": lambda thought, action: f"Action: \u201c{action}\u201d",
    "back-ticks": lambda thought, action: f"Thought: {thought}\nAction: `{action}`",
    "fence": lambda thought, action: f"{thought}\n```\n{action}\n```",
    "fence behind a label": lambda thought, action: f"{thought}\nAction:\n```text\n{action}\n```",
    "bold": lambda thought, action: f"{thought}\nAction: **{action}**",
    "bold line": lambda thought, action: f"{thought}\n\n**Action: {action}**",
    "bold label": lambda thought, action: f"{thought}\n\n**Action:** {action}",
    "heading": lambda thought, action: f"## Thought\n{thought}\n## Action: {action}",
    "brackets": lambda thought, action: f"Thought: {thought}\nAction: [{action}]",
    "prompt": lambda thought, action: f"Thought: {thought}\n> {action}",
    "prompt alone": lambda thought, action: f"> {action}",
    "next action": lambda thought, action: f"{thought}\nNext action: {action}",
    "numbered": lambda thought, action: f"Thought 3: {thought}\nAction 3: {action}",
    "command": lambda thought, action: f"{thought}\nCommand: {action}",
    "one line": lambda thought, action: f"Thought: {thought} Action: {action}",
    "in a sentence": lambda thought, action: f"{thought}\nI will do `{action}` now.",
    "last line": lambda thought, action: f"{thought}\n{action}",
    "without punctuation": lambda thought, action: f"Action: {action.replace('in/on', 'in on')}",
    "articles": lambda thought, action: f"Action: {action.replace('take ', 'take the ')}",
    "tags": lambda thought, action: f"<think>{thought}</think><action>{action}</action>",
    "decorated tags": lambda thought, action: (
        f"<think>{thought}</think><action>`{action}`</action>"
    ),
    "json": lambda thought, action: json.dumps({"thought": thought, "action": action}),
    "pretty json": lambda thought, action: json.dumps({"t": thought, "action": action}, indent=2),
    "fenced json": lambda thought, action: (
        f"{thought}\n```json\n{json.dumps({'action': action})}\n```"
    ),
    "json behind a label": lambda thought, action: (
        f"Thought: {thought}\nAction: "
        f"{json.dumps({'name': 'act', 'arguments': {'command': action}})}"
    ),
    "function in json": lambda thought, action: json.dumps({"thought": thought, **_called(action)}),
    "hermes": lambda thought, action: (
        f"{thought}\n<tool_call>\n"
        f"{json.dumps({'name': 'act', 'arguments': {'action': action}})}\n</tool_call>"
    ),
    "action input": lambda thought, action: (
        f"Thought: {thought}\nAction: act\nAction Input: {action}"
    ),
    "explained": lambda thought, action: f"{thought}\nAction: {action} (to be quick)",
    "because": lambda thought, action: f"Action: {action}, because {thought}",
    "thought before": lambda thought, action: f"<think>\n{thought}\n</think>\n\n{action}",
    "thought in line": lambda thought, action: f"<think>{thought}</think> {action}",
    "answer tag": lambda thought, action: f"<think>{thought}</think>\n<answer>{action}</answer>",
    "python": lambda thought, action: f"{{'thought': 'Hm', 'action': '{action}'}}",
    "boxed": lambda thought, action: f"{thought}\n\\boxed{{{action}}}",
    "dream in line": lambda thought, action: (
        f"Thought: {thought} Action: {action} Observation: You see it. Action: look"
    ),
    "dream of a user": lambda thought, action: f"Action: {action}\nUser: OK.\nAction: look",
    "dream": lambda thought, action: (
        f"Thought: {thought}\nAction: {action}\nObservation: You are done.\nAction: inventory"
    ),
    "dream of a command": lambda thought, action: (
        f"{action}\nObservation: Nothing happens.\nThought: Hm.\nAction: look"
    ),
    "dream of more turns": lambda thought, action: (
        f"Action: {action}\nYou arrive at shelf 1. On the shelf 1, you see nothing.\nAction: look"
    ),
    "end token": lambda thought, action: f"Thought: {thought}\nAction: {action}<|im_end|>",
}


def _called(action: str) -> dict[str, object]:
    """Return a command as a call of a tool named as its verb."""
    words = action.split()
    name = "goto" if words[0] == "go" else words[0]
    return {"function_name": name, "arguments": _things(action)}


def _things(action: str) -> dict[str, str]:
    words = action.split()
    things = [f"{words[i]} {words[i + 1]}" for i in range(len(words) - 1) if words[i + 1].isdigit()]
    keys = ("recep",) if len(things) == 1 else ("obj", "recep")
    return dict(zip(keys, things, strict=True))


def _tool_call(thought: object, action: str, arguments: object) -> Message:
    function = {"name": "act", "arguments": arguments}
    call = {"id": "c", "type": "function", "function": function}
    return {"content": thought, "tool_calls": [call]}


CALLS: Mapping[str, Callable[[str, str], Message]] = {
    "text": lambda thought, action: _tool_call(thought, action, json.dumps({"action": action})),
    "null": lambda thought, action: _tool_call(None, action, json.dumps({"command": action})),
    "empty": lambda thought, action: _tool_call("", action, {"action": action}),
    "absent": lambda thought, action: {
        "tool_calls": _tool_call("", action, {"action": action})["tool_calls"]
    },
    "bare argument": lambda thought, action: _tool_call(thought, action, action),
    "verb": lambda thought, action: {
        "content": thought,
        "tool_calls": [
            {
                "function": {
                    "name": _called(action)["function_name"],
                    "arguments": json.dumps(_called(action)["arguments"]),
                }
            }
        ],
    },
    "function_call": lambda thought, action: {
        "content": thought,
        "function_call": {"name": "act", "arguments": json.dumps({"action": action})},
    },
    "blocks": lambda thought, action: {
        "content": [
            {"type": "text", "text": thought},
            {"type": "tool_use", "name": "act", "input": {"action": action}},
        ]
    },
    "verb and target": lambda thought, action: _tool_call(
        thought, action, {"verb": action.split()[0], **_things(action)}
    ),
    "contents": lambda thought, action: {"content": {"thought": thought, "action": action}},
    "key": lambda thought, action: {"content": thought, "action": action},
}

SPEAKERS: tuple[tuple[str, str, str], ...] = (
    ("openai", "user", "assistant"),
    ("openai", "tool", "assistant"),
    ("openai", "user", "agent"),
    ("openai", "user", "model"),
    ("openai", "environment", "bot"),
    ("sharegpt", "human", "gpt"),
    ("sharegpt", "observation", "gpt"),
    ("sharegpt", "user", "assistant"),
    ("sharegpt", "User", "Assistant"),
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a game is written down."""

    speakers: tuple[str, str, str] = SPEAKERS[0]
    opening: str = "room first"
    harness: str = "none"
    decoration: str = "react"
    call: str | None = None
    """In place of the decoration."""
    repeats_goal: bool = False
    repeats_room: bool = False
    example: bool = False
    """Whether a worked example stands before the game."""
    keys: tuple[str, str] = ("role", "content")

    @property
    def format(self) -> str:
        """Return the name of the format."""
        return self.speakers[0]

    def write(self, game: Game) -> Log:
        """Return the record of a game."""
        _, world, agent = self.speakers
        role, content = self.keys
        harness = HARNESSES[self.harness]
        opening = OPENINGS[self.opening](game.room, game.goal)
        said: list[Message] = []
        if self.example:
            said = [
                {role: world, content: f"For example: {game.room}\nYour task is to: dance."},
                {role: agent, content: "Thought: Music.\nAction: inventory"},
                {role: world, content: "You are not carrying anything."},
                {role: agent, content: "OK"},
            ]
        said.append({role: world, content: harness(opening, game.listed, 0)})
        for turn, step in enumerate(game.steps, 1):
            if self.call is not None:
                message = CALLS[self.call](step.thought, step.action)
                if content in message or "content" not in message:
                    said.append({role: agent, **message})
                else:
                    said.append({role: agent, content: message.pop("content"), **message})
            else:
                text = DECORATIONS[self.decoration](step.thought, step.action)
                said.append({role: agent, content: text})
            answer = f"{step.answer}\n{game.goal}" if self.repeats_goal else step.answer
            answer = f"{opening}\nObservation: {answer}" if self.repeats_room else answer
            said.append({role: world, content: harness(answer, step.listed, turn)})
        return {"messages" if self.format == "openai" else "conversations": said}


VARIANTS = st.builds(
    Variant,
    speakers=st.sampled_from(SPEAKERS),
    opening=st.sampled_from(sorted(OPENINGS)),
    harness=st.sampled_from(sorted(HARNESSES)),
    decoration=st.sampled_from(sorted(DECORATIONS)),
    call=st.none() | st.sampled_from(sorted(CALLS)),
    repeats_goal=st.booleans(),
    repeats_room=st.booleans(),
    example=st.booleans(),
    keys=st.sampled_from([("role", "content"), ("from", "value")]),
)
