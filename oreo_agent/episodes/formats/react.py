"""Where the action stands in what an agent wrote. Every search is linear: logs may be hostile."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from oreo_agent.episodes.formats.commands import (
    COMMAND,
    begins_with_verb,
    is_command,
    plain_forms,
)
from oreo_agent.episodes.formats.tool_calls import json_object, read_call

_ENDS = ("</s>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<end_of_turn>")
_TAG = re.compile(r"<(/?)(?:action|act|command|answer)>", re.IGNORECASE)
_THOUGHT_END = "</think>"
_LABEL = re.compile(
    r"^[ \t>*_#]*(?:(?:(?:my|the|your) )?(?:next|final|chosen) )?(?:action|act|command)"
    r"(?P<input>[ _]input)?(?: \d{1,3})?(?: is)?[ \t*_]*:[*_]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE = re.compile(r"[.!?)\]] +(?:next )?action: *(?=[^\n]*\Z)", re.IGNORECASE)
_PROMPT = re.compile(r"^[ \t]*>(?!>)[ \t]*(?=\S)", re.MULTILINE)
_SPEAKER = r"(?:observation|obs|environment|env|feedback|user|human)"
_ANSWER = re.compile(
    rf"[ \t]observation(?: \d{{1,3}})?:|^[ \t>*_#\[]*{_SPEAKER}(?: \d{{1,3}})?[ \t*_]*:"
    r"|^[ \t>*_#]*(?:<\|im_start\|>|<observation>|On the \w+ \d+, you see|Nothing happens\.)"
    r"|^[ \t>*_#]*You (?:arrive at|pick up the|put the|move the|open the|close the) ",
    re.IGNORECASE | re.MULTILINE,
)
_SPAN = re.compile(r"[`*\"'\[{]([^`*\"'\[\]{}\n]{1,200})(?=[`*\"'\]}])")
_LEADING = re.compile(
    rf"\W{{0,4}}({COMMAND})(?=[ ]?[.,;:(#\-]| (?:because|to|so|then|and|in order)\b)", re.I
)
_MOST = 6  # alternatives
_LONGEST_LINE = 2000  # characters that are searched for a command


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an agent's message asks for."""

    message: str
    """What the agent wrote; of a call, its thought and its command. Without invented answers."""
    action: str = ""
    """The command as written; empty where there is none."""
    alternatives: tuple[str, ...] = ()
    """Commands that it can stand for as well, most likely first."""
    thought: str = ""
    """What stands before the action."""
    marked: bool = False
    """Whether a label, a tag or a call says that it is a command."""

    @property
    def commands(self) -> bool:
        """Whether something in the message can be meant as a command, and is not just prose."""
        return self.marked or bool(self.alternatives) or begins_with_verb(self.action)


def read_message(text: str) -> Reading:
    """Return the action in a message: ``go to desk 1`` of ``Thought: … Action: go to desk 1``.

    It stands behind the last label ``Action:`` (or ``Act:``, ``Next action:``, ``>``, …), in the
    last ``<action>``, or in a JSON object; a message of one line without a label is an action as
    it stands. What an agent writes behind its action, as if the environment had answered
    already, does not count.
    """
    text = text.strip()
    for end in _ENDS:
        text = text.removesuffix(end).rstrip()
    thought, end, said = text.rpartition(_THOUGHT_END)
    if end and (reading := read_message(said)).commands and reading.message == said.strip():
        before = f"{thought}{end}"
        return replace(
            reading, message=text, thought="\n".join(filter(None, (before, reading.thought)))
        )
    own = _without_answers(text)
    reading = _read(own)
    if reading.commands or own is text:
        return reading
    # The label of an observation may stand in a thought: the engine has to confirm the action.
    whole = _read(text)
    found = (whole.action, *whole.alternatives) if whole.marked else whole.alternatives
    return Reading(message=text, alternatives=found[:_MOST], thought=whole.thought)


def _without_answers(text: str) -> str:
    """Cut what stands behind the first answer that follows an action."""
    for found in _ANSWER.finditer(text):
        before = text[: found.start()].rstrip()
        if before:
            return before
    return text


def _read(text: str) -> Reading:
    tags = list(_TAG.finditer(text))
    for opening, closing in zip(tags[-2::-1], tags[:0:-1], strict=False):
        if not opening[1] and closing[1]:
            inside = text[opening.end() : closing.start()]
            if (call := _json(inside, text[: opening.start()])) is not None:
                return call
            return _marked(text, _line(inside), text[: opening.start()])
    labels = list(_LABEL.finditer(text))
    if len(labels) > 1 and labels[-1]["input"]:
        return _of_tool(text, labels[-2], labels[-1])
    if (call := _json(text, "")) is not None:
        return call
    if labels:
        return _labelled(text, labels)
    inline = _INLINE.search(text)
    if inline is not None:
        return _marked(text, _line(text[inline.end() :]), text[: inline.start() + 1])
    prompts = list(_PROMPT.finditer(text))
    if prompts and "\n" in text:
        last = prompts[-1]
        return _marked(text, _line(text[last.end() :]), text[: last.start()])
    if "\n" not in text and not text.lower().startswith("thought:"):
        action = text.removeprefix(">").strip()
        return Reading(message=text, action=action, alternatives=_others(action, text))
    lines = [line for line in text.split("\n") if line.strip().strip("`")]
    last_line = lines[-1] if lines else ""
    thought = text[: text.rfind(last_line)].rstrip(" \t\n`") if last_line else ""
    return Reading(message=text, alternatives=_others("", last_line), thought=thought)


def _labelled(text: str, labels: list[re.Match[str]]) -> Reading:
    last = labels[-1]
    earlier = [_line(text[label.end() :]) for label in labels[:-1][:2]]
    return _marked(text, _line(text[last.end() :]), text[: last.start()], earlier)


def _of_tool(text: str, tool: re.Match[str], given: re.Match[str]) -> Reading:
    """Read the name of a tool behind one label, and what it is given behind the next."""
    before, arguments = text[: tool.start()], text[given.end() :].strip()
    call = read_call({"name": _line(text[tool.end() : given.start()]), "arguments": arguments})
    if call is not None and call.command:
        return _called(call.command, call.thought, before)
    return _marked(text, _line(arguments), before)


def _marked(text: str, action: str, before: str, earlier: list[str] | None = None) -> Reading:
    others = [*_others(action, action), *filter(is_command, earlier or ())]
    if not others and (found := _LEADING.match(action)) is not None:
        others = list(plain_forms(found[1]))  # with an explanation behind it
    if action and text.endswith("```"):
        return replace(_called(action, "", before), alternatives=tuple(others[:_MOST]))
    return Reading(
        message=text,
        action=action,
        alternatives=tuple(dict.fromkeys(others))[:_MOST],
        thought=before.strip(),
        marked=bool(action),
    )


def _called(command: str, thought: str, before: str) -> Reading:
    said = "\n".join(filter(None, (before.strip(), thought.strip())))
    command = _line(command)
    message = f"{said}\nAction: {command}" if said and command else said or command
    return Reading(
        message=message,
        action=command,
        alternatives=_others(command, command),
        thought=said,
        marked=bool(command),
    )


def read_calls(content: str, calls: list[object]) -> list[Reading] | None:
    """Return what calls beside a text ask for; None where one of them is not understood."""
    readings = []
    for value in calls:
        call = read_call(value)
        if call is None:
            return None
        readings.append(_called(call.command, call.thought, content))
        content = ""
    return readings


def _json(text: str, before: str) -> Reading | None:
    found = json_object(text)
    call = None if found is None else read_call(found[1])
    if found is None or call is None:
        return None
    stated = found[0]
    labels = list(_LABEL.finditer(stated))
    if labels and not stated[labels[-1].end() :].strip():
        stated = stated[: labels[-1].start()]
    return _called(call.command, call.thought, f"{before}\n{stated}")


def _others(action: str, text: str) -> tuple[str, ...]:
    """Return the plain commands that a line holds, as a whole or in quotes or Markdown."""
    if is_command(action) and not action.startswith(("put ", "move ")):
        return ()
    forms = plain_forms(text)
    if not forms and len(text) <= _LONGEST_LINE:
        forms = next(filter(None, map(plain_forms, reversed(_SPAN.findall(text)))), ())
    return tuple(form for form in forms if form != action)


def _line(text: str) -> str:
    """Return the first line with text, past the fence of a code block."""
    lines = (line.strip() for line in text.split("\n"))
    return next((line for line in lines if line and not line.startswith("```")), "")
