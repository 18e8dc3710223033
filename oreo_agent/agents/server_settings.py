"""Which OpenAI-compatible server to ask, and how. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from oreo_agent.errors import UsageError

API_KEY_VARIABLE = "OREO_AGENT_API_KEY"
"""Environment variable of the key that goes with every request; it is written nowhere."""

_OPTIONS = ("model", "temperature", "tokens", "timeout", "at_once", "instructions")
# A URL, and names of models (llama3:8b), contain colons too.
_NEXT_OPTION = re.compile(rf":(?=(?:{'|'.join(_OPTIONS)})=)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A server, and how it is asked."""

    url: str
    """The root of the API, such as ``http://localhost:8000/v1``."""
    model: str | None = None
    """What the server calls the model; None takes the only one that it lists."""
    temperature: float | None = None
    """Of the samples; None where it is not named."""
    tokens: int | None = None
    """A message that has not ended by then holds no action."""
    timeout: float = 120.0
    """Seconds that one answer may take in all."""
    at_once: int = 16
    """Requests under way at the same time."""
    instructions: bool = True
    """Whether the conversation begins with the rules of the task. A model trained by this project
    learnt them from episodes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``URL:option=value:…``.

        Raises:
            UsageError: It names no server, or an option is none.
        """
        url, *parts = _NEXT_OPTION.split(text.strip())
        given = [part.partition("=")[::2] for part in parts]
        options = dict(given)
        if len(options) != len(given):
            raise _refused(text, "an option stands twice")
        instructions = options.get("instructions", "yes")
        if instructions not in ("yes", "no"):
            raise _refused(f"instructions={instructions}", "it is neither yes nor no")
        timeout, at_once = options.get("timeout"), options.get("at_once")
        return cls(
            url=_root(url),
            model=options.get("model") or None,
            temperature=_number(options, "temperature", least=0.0),
            tokens=_whole(options, "tokens"),
            timeout=120.0 if timeout is None else _number(options, "timeout", least=0.001) or 0.0,
            at_once=16 if at_once is None else _whole(options, "at_once") or 0,
            instructions=instructions == "yes",
        )


def _root(url: str) -> str:
    """Return the root of an API; a server named without a path has it at ``/v1``."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise _refused(url, str(error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused(url, "there is no server's address")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The name of an agent is shown and kept with results.
        raise _refused(
            f"{parts.scheme}://{parts.hostname}",
            "the address holds more than a path",
            f"Give a key in {API_KEY_VARIABLE}.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


def _number(options: dict[str, str], name: str, *, least: float) -> float | None:
    if name not in options:
        return None
    try:
        number = float(options[name])
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= least):
        raise _refused(f"{name}={options[name]}", f"it is no number from {least:g} on")
    return number


def _whole(options: dict[str, str], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= 100_000):
        raise _refused(f"{name}={value}", "it is no whole number from 1 to 100000")
    return int(value[:9])


def _refused(text: str, why: str, fix: str = "") -> UsageError:
    return UsageError(
        f"--agent server: {text}: {why}.",
        fix or "Say server:http://localhost:8000/v1; options follow, e.g. :model=NAME:tokens=256.",
    )
