"""An agent that asks an OpenAI-compatible server: vLLM, ``transformers serve`` and the like.

The episode is a conversation: goal and observations are the user's, messages are the assistant's.
The server gives text alone, so that turns have neither token ids nor log-probabilities: as for a
person's turns, training renders their text and checks that it survives the round trip. Decoding
cannot be restricted to admissible actions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from oreo_agent.agents.agent_spec import AgentSetting, AgentSpec
from oreo_agent.agents.chat_client import ChatClient, Completion, ContextOverflowError, ServerError
from oreo_agent.agents.protocol import ActRequest, AgentDecision
from oreo_agent.agents.server_settings import API_KEY_VARIABLE, ServerSettings
from oreo_agent.episodes.record import Actor, Proposal, Sampling
from oreo_agent.errors import UsageError
from oreo_agent.models.prompt_text import PromptText

_TOKENS = 256
_STOP = "\nObservation:"
"""Stops the model before it invents the environment's answer."""
_MESSAGE_CHARACTERS = 16_384
_ACTION_CHARACTERS = 1_000
_LABEL = re.compile(r"^\W*action\W*:\s*", re.IGNORECASE)
_QUOTES = "`*\"' "
"""What chatty models put around an action."""


class ServerAgent:
    """Decides by asking a server.

    Args:
        client: The server; the agent closes it.
        model: What the server calls the model.
        instructions: What the conversation begins with; empty leaves it out.
        prompts: How observations are worded.
        temperature: 0 asks for the likeliest tokens.
        max_tokens: A message that has not ended by then holds no action.
    """

    actor = Actor.POLICY
    tokenizer_sha256: str | None = None

    def __init__(
        self,
        client: ChatClient,
        *,
        model: str,
        instructions: str = "",
        prompts: PromptText,
        temperature: float = 0.0,
        max_tokens: int = _TOKENS,
    ) -> None:
        # A model served from a folder is named by it: records name a model, not where it lay.
        self.name = f"server:{PurePath(model).name if PurePath(model).is_absolute() else model}"
        self.sampling: Sampling | None = Sampling(temperature=temperature)
        self._client = client
        self._asked = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
        self._instructions = instructions
        self._prompts = prompts

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def forget(self, episode: str) -> None:
        """Nothing is kept."""

    def act(self, requests: Sequence[ActRequest]) -> list[AgentDecision]:
        """Return one decision a request, in order.

        A conversation that is too long for the model ends in a message without an action.

        Raises:
            ServerError: The server is down, or refuses.
        """
        answers = self._client.complete([self._body(request) for request in requests])
        errors = [a for a in answers if isinstance(a, ServerError)]
        for error in errors:
            if not isinstance(error, ContextOverflowError):
                raise next((e for e in errors if e.fix), error)
        return [AgentDecision(proposal=self._proposal(answer)) for answer in answers]

    def _body(self, request: ActRequest) -> dict[str, Any]:
        return {
            **self._asked,
            "messages": conversation(request, self._prompts, self._instructions),
            "stop": [_STOP],
            "seed": request.seed & 0x7FFF_FFFF,  # servers take no more bits
        }

    def _proposal(self, answer: Completion | ServerError) -> Proposal:
        if isinstance(answer, ServerError):
            return Proposal(message="", action="", model=self.name)
        text = answer.text.partition(_STOP)[0]  # some servers leave the stop string in
        whole = answer.ended or text != answer.text
        message = text[:_MESSAGE_CHARACTERS].encode("utf-8", "replace").decode().strip()
        ended = whole and len(text) <= _MESSAGE_CHARACTERS
        return Proposal(
            message=message, action=action_of(message) if ended else "", model=self.name
        )


def action_of(message: str) -> str:
    """Return what a message wants to do: its last line with text, without ``Action:``.

    Returns:
        An empty text where there is none, or none that could be meant: control characters, or
        more than a thousand characters.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    action = _LABEL.sub("", last)
    if action != last or last[:1] in _QUOTES:
        action = action.lstrip(_QUOTES).rstrip(f"{_QUOTES}.")
    return action if action.isprintable() and len(action) <= _ACTION_CHARACTERS else ""


def conversation(
    request: ActRequest, prompts: PromptText, instructions: str = ""
) -> list[dict[str, str]]:
    """Return an episode as messages, the agent's turn next.

    Instructions stand in the first message: some chat templates know no system.
    """
    seen = [*(turn.observation for turn in request.history), request.observation]
    opening = prompts.opening(request.goal, seen[0])
    messages = [_message("user", f"{instructions}\n\n{opening}" if instructions else opening)]
    for turn, after in zip(request.history, seen[1:], strict=True):
        messages.append(_message("assistant", turn.message))
        messages.append(_message("user", prompts.observation(after)))
    return messages


def make_agent(spec: AgentSpec, setting: AgentSetting) -> ServerAgent:
    """Return an agent that asks a server. The key is read from ``OREO_AGENT_API_KEY``.

    Raises:
        ServerError: The server is down, or refuses the key.
        UsageError: Decoding is to be restricted, or the server has several models and none is
            named.
    """
    setting.progress("looking for the server")
    if setting.restricted:
        raise UsageError(
            "a server's decoding cannot be restricted to admissible actions.",
            "Set evaluation.restricted=false, or load the model with --checkpoint.",
        )
    settings: ServerSettings = spec.settings
    client = ChatClient(
        settings.url,
        key=os.environ.get(API_KEY_VARIABLE),
        timeout=settings.timeout,
        at_once=settings.at_once,
    )
    try:
        listed = client.models()
        if settings.model is None and len(listed) != 1:
            raise UsageError(
                f"{settings.url} lists {len(listed)} models: {', '.join(listed[:8]) or 'none'}.",
                "Name one, e.g. :model=NAME.",
            )
    except BaseException:
        client.close()
        raise
    temperature = settings.temperature
    return ServerAgent(
        client,
        model=settings.model or listed[0],
        instructions=setting.plugin.instructions if settings.instructions else "",
        prompts=PromptText(setting.plugin.prompt_cuts),
        temperature=setting.temperature if temperature is None else temperature,
        max_tokens=settings.tokens or _TOKENS,
    )


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
