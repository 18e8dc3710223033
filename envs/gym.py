"""Text environments for Gymnasium (extra ``gym``); importing this module registers them.

::

    import gymnasium
    import oreo_agent.envs.gym

    env = gymnasium.make("oreo_agent/ALFWorld-v0", games="houses")

Gymnasium has had no plugin entry points since 1.0: the module must be imported, or named in the id,
as in ``gymnasium.make("oreo_agent.envs.gym:oreo_agent/ALFWorld-v0")``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from oreo_agent.envs.core import Observation, TaskId
from oreo_agent.envs.registry import BUILT_IN, make, plugin_of
from oreo_agent.errors import MissingError, UsageError

try:
    import gymnasium
    from gymnasium.spaces import Text
except ImportError as error:
    raise MissingError(
        "gymnasium is not installed.", "Install the extra: pip install 'oreo-agent[gym]'."
    ) from error

ENVIRONMENTS = {
    f"oreo_agent/{plugin_of(name).gym_id}": {"env_name": name}
    for name in BUILT_IN
    if plugin_of(name).gym_id
} | {"oreo_agent/TextEnv-v0": {}}  # any other: gymnasium.make(…, env_name="my-env")
"""Gymnasium's id to what it fixes among the arguments of `GymEnv`."""

_LONGEST_TEXT = 1 << 14  # characters
_LONGEST_ACTION = 1 << 12
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def _writable(ranges: Iterable[range]) -> frozenset[str]:
    """Return what is printed or is a space; no controls, no marks that turn the direction."""
    characters = (chr(code) for codes in ranges for code in codes)
    kept = {c for c in characters if c.isprintable() or unicodedata.category(c) == "Zs"}
    return frozenset(kept | {"\n", "\t", _REPLACEMENT})


# Latin, Greek, Cyrillic; punctuation, currencies, arrows, mathematics, boxes. All of Unicode
# would be a space of 22 MB.
_CHARSET = _writable((range(0x20, 0x500), range(0x2000, 0x2C00)))


class GymEnv(gymnasium.Env[str, str]):
    """One of our environments behind Gymnasium's interface.

    Observations and actions are texts. The observation is what the environment printed; a
    character that the space lacks is replaced by U+FFFD and what is longer than the space allows
    is cut, and then ``info["text"]`` has it unchanged. ``info`` also holds ``goal``, ``task``,
    ``admissible`` (a tuple of actions, or None) and, after a step, ``won``.

    ``reset`` draws the task from a split with Gymnasium's own generator, so a seed names the
    episodes that follow; ``options`` may hold ``task`` (an id) or ``split``.

    Args:
        env_name: A name that `oreo_agent.envs.make` knows.
        split: The split to draw tasks from, by default the environment's first one. Environments
            need no such option themselves.
        charset: Characters of both spaces, in place of the European scripts, punctuation and
            mathematics.
        render_mode: ``ansi``: ``render`` returns the text that was printed last.
        options: The environment's own, and ``worker=True`` to run it in a separate process.

    Raises:
        UsageError: The name or an option is unknown.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # Gymnasium asks for a rate
    observation_space: Text
    action_space: Text

    def __init__(
        self,
        env_name: str,
        *,
        split: str | None = None,
        charset: str | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        characters = _CHARSET if charset is None else frozenset(charset) | {_REPLACEMENT}
        self.observation_space = Text(_LONGEST_TEXT, min_length=0, charset=characters)
        self.action_space = Text(_LONGEST_ACTION, charset=characters)
        self.render_mode = render_mode
        self.text_env = make(env_name, **options)
        self._split = split or self.text_env.spec.splits[0]
        self._tasks: dict[str, tuple[TaskId, ...]] = {}
        self._task: TaskId = ""
        self._printed = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode; see the class.

        Raises:
            UsageError: An option or the split is unknown.
            MissingError: The split has no tasks.
            EnvError: The task is unknown.
        """
        super().reset(seed=seed)
        options = options or {}
        if unknown := options.keys() - {"split", "task"}:
            raise UsageError(
                f"reset has no option {min(unknown)!r}.", "Its options are 'task' and 'split'."
            )
        self._task = options.get("task") or self._draw(options.get("split") or self._split)
        inner_seed = int(self.np_random.integers(1 << 31))
        return self._seen(self.text_env.reset(self._task, seed=inner_seed), {})

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Send an action.

        Raises:
            EpisodeOverError: Called before ``reset`` or after the end.
        """
        result = self.text_env.step(action)
        text, info = self._seen(result.observation, dict(result.info))
        return text, result.reward, result.terminated, result.truncated, info

    def render(self) -> str | None:
        """Return the text that was printed last, where the render mode is ``ansi``."""
        return self._printed if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Release the environment. Calling it twice does no harm."""
        self.text_env.close()

    def _draw(self, split: str) -> TaskId:
        if split not in self._tasks:
            self._tasks[split] = tuple(self.text_env.tasks(split))
        tasks = self._tasks[split]
        if not tasks:
            raise MissingError(f"split {split!r} has no tasks.", "Name another split.")
        return tasks[int(self.np_random.integers(len(tasks)))]

    def _seen(self, observation: Observation, info: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self._printed = observation.text
        text = self._fitted(observation.text)
        info |= {
            "goal": observation.goal,
            "task": self._task,
            "admissible": observation.admissible,
        }
        if text != observation.text:
            info["text"] = observation.text
        return text, info

    def _fitted(self, text: str) -> str:
        known = self.observation_space.character_set
        if not known.issuperset(text):
            text = "".join(c if c in known else _REPLACEMENT for c in text)
        return text[:_LONGEST_TEXT]


for _id, _fixed in ENVIRONMENTS.items():
    if _id not in gymnasium.registry:  # a module that is loaded again must not warn
        gymnasium.register(_id, entry_point=f"{__name__}:GymEnv", kwargs=_fixed)
