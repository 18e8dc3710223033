"""What a run is made of: every knob of ``oreo-agent train``, with unit and default. No torch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, make_dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_type_hints

from msgspec import Meta

from oreo_agent.agents.agent_spec import AgentSetting
from oreo_agent.config import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    resolve,
)
from oreo_agent.envs.core import EnvError
from oreo_agent.envs.factory_plugin import FactoryPlugin
from oreo_agent.envs.plugin import EnvPlugin, TaskPlan
from oreo_agent.envs.registry import plugin_of, plugins
from oreo_agent.learning.methods import METHODS, MethodSettings
from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.learning.methods.sft import SFTSettings
from oreo_agent.training.method_names import Name, find_method


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationsConfig:
    """The expert's episodes."""

    per_game: PositiveInt = 4
    noise: Probability = 0.4
    """Each episode draws, between 0 and this, the probability per turn of a distraction; what
    distracts is there to be recovered from, SFT does not imitate it."""
    games: NonNegativeInt = 1000
    """Training games that are demonstrated; 0 means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The network."""

    preset: Literal["nano", "mini", "tiny", "small"] = "mini"
    """``nano``, ``mini`` (0.4 M parameters), ``tiny`` (1 M) or ``small`` (6 M); built from scratch
    where no ``name`` is given."""
    name: str = ""
    """A pre-trained model with a chat template in place of a preset: its Hub id or folder."""
    thoughts: bool = False
    """Let messages of a pre-trained model think first and end in ``Action: …`` (ReAct)."""
    message_tokens: PositiveInt = 64
    """A message of a pre-trained model that has not ended by then holds no action; thoughts need
    some 256."""
    precision: Literal["float32", "bfloat16", "4bit"] = "float32"
    """Of a pre-trained model's weights; ``4bit`` needs bitsandbytes and LoRA."""
    lora_rank: NonNegativeInt = 0
    """Train low-rank adapters of this rank on one frozen copy of a pre-trained model: one for the
    policy, one for the value model, none for the reference. 0 trains all weights."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    max_length: Annotated[int, Meta(ge=2)] = 2048
    """Longest training episode, in tokens; longer ones are dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsConfig:
    """The SFT policy's own episodes, from which rejection sampling and OREO learn."""

    per_game: PositiveInt = 5
    games: Literal["new", "all"] = "new"
    """``new``: training games that were not demonstrated, if there are any: the policy wins nearly
    all of those that were, which teaches little. With ``--checkpoint`` these are known where the
    checkpoint lies in its run's folder. ``all``: every training game."""
    patience: NonNegativeInt = 4
    """An episode ends as ``stalled`` when one action has brought the same answer this often; 0:
    never. See ``oreo.stalled``."""
    temperature: NonNegativeFloat = 1.0
    wave: PositiveInt = 150
    """Episodes played in lock-step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsConfig:
    """How often rollouts are collected and learnt from."""

    count: PositiveInt = 1
    """Rounds. From the second on the policy that OREO has reached plays the rollouts."""
    reference: Literal["sft", "start"] = "sft"
    """What the KL and the log-ratios are taken against after the first round: the ``sft`` policy
    (of OREO: ``oreo.start``), kept, or each method's policy at the ``start`` of the round, which
    moves."""
    data: Literal["all", "last"] = "all"
    """Learn from the rollouts of ``all`` rounds so far, or of the ``last`` alone."""
    lr_factor: PositiveFloat = 1.0
    """Factor on all learning rates from one round to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How success is measured."""

    temperature: NonNegativeFloat = 0.0
    """0 is greedy decoding."""
    sampled: bool = False
    """Also play every game once at temperature 1."""
    restricted: bool = False
    """Restrict decoding to admissible actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunSettings:
    """Settings of every run, but for the sections of some methods."""

    seed: NonNegativeInt = 0
    """Seed of the demonstrations, the weights, the rollouts and the order of batches."""
    threads: NonNegativeInt = 0
    """Torch threads; 0 means the cores this process may use."""
    workers: NonNegativeInt = 0
    """Environment processes; 0 means the cores this process may use."""
    save_every: PositiveInt = 100
    """Updates between two training checkpoints."""
    log_every: PositiveInt = 20
    """Updates between two lines of metrics."""
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Additional metric loggers: ``tensorboard``, ``trackio``, ``wandb``."""
    methods: tuple[Name, ...] = ("sft", "rejection", "oreo")
    """Methods that are trained and measured: ``rejection``, ``dpo``, ``dpo-nll``, ``kto``, ``awr``,
    ``iql-bppo``, ``oreo``
    (token level), ``oreo-step``, ``oreo-response``, ``oreo-astar`` (response level, V(s0) as in
    A*-PO); ``sft`` always is."""
    demonstrations: DemonstrationsConfig = field(default_factory=DemonstrationsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    sft: SFTSettings = field(default_factory=SFTSettings)
    rollouts: RolloutsConfig = field(default_factory=RolloutsConfig)
    oreo: OREOSettings = field(default_factory=OREOSettings)
    """All methods that learn from rollouts make as many updates of as many episodes."""
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


if TYPE_CHECKING:
    _WithMethods = _RunSettings
else:
    _WithMethods = make_dataclass(
        "_WithMethods",
        [
            (section, type(defaults), field(default_factory=partial(replace, defaults)))
            for section, defaults in {m.section: m.settings for m in METHODS.values()}.items()
            if section not in _RunSettings.__dataclass_fields__
        ],
        bases=(_RunSettings,),
        frozen=True,
        slots=True,
        kw_only=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig(_WithMethods):
    """Settings of every run: its own, and the section of each method; see `config_type`."""

    plugin: ClassVar[EnvPlugin[Any]]
    """The environment."""

    def of_method(self, name: str) -> MethodSettings:
        """Return the section of a method.

        Raises:
            ConfigError: There is no such method.
        """
        section: MethodSettings = getattr(self, find_method(name).section)
        return section

    def earlier(self) -> dict[str, Any]:
        """Return what each setting was in a run of before it could be set: its default."""
        return asdict(type(self)())

    @property
    def env_settings(self) -> Any:
        """What the environment adds, as its plugin declares it."""
        kind = self.plugin.settings
        return kind(**{one.name: getattr(self, one.name) for one in fields(kind)})

    def plan(self) -> TaskPlan:
        """Return which tasks are played; see `EnvPlugin.plan`."""
        return self.plugin.plan(self.env_settings)

    def agent_setting(self) -> AgentSetting:
        """Return what agents of this run are made from; callers add the checkpoint and the like."""
        tasks = self.plan()
        return AgentSetting(
            plugin=self.plugin,
            options=self.options(),
            max_tokens=tasks.max_tokens,
            horizon=tasks.horizon,
        )

    def options(self) -> dict[str, object]:
        """Return the options that open the tasks; see `EnvPlugin.options`."""
        return self.plugin.options(self.env_settings)


def config_type(env: str) -> type[RunConfig]:
    """Return what a run in an environment can be set to.

    That is every field of `RunConfig`, with the defaults that the environment has for it, and the
    sections that its plugin adds.

    Raises:
        OreoAgentError: The environment is unknown, or its plugin cannot be used.
    """
    return _config_type(plugin_of(env))


def preset_config(env: str, name: str) -> RunConfig | None:
    """Return the settings of a run under a name; None where the environment has no such preset.

    Raises:
        OreoAgentError: The environment is unknown, or cannot be loaded.
    """
    chosen = plugin_of(env).presets.get(name)
    return None if chosen is None else resolve(config_type(env), env={}, flags=chosen).value


def run_configs() -> tuple[RunConfig, ...]:
    """Return the default settings of a run in every environment that can be loaded.

    Environments that are given by their factory alone have the same, which come once.
    """
    kinds = {plugin.settings: plugin for plugin in (*plugins(), FactoryPlugin(""))}
    found = []
    for plugin in kinds.values():
        with suppress(EnvError):  # a damaged package affects its environment alone
            found.append(_config_type(plugin)())
    return tuple(found)


@cache
def _config_type(plugin: EnvPlugin[Any]) -> type[RunConfig]:
    changed: dict[str, dict[str, object]] = {}
    for key, value in plugin.defaults.items():
        section, _, name = key.partition(".")
        changed.setdefault(section, {})[name] = value
    usual = RunConfig()
    try:
        own, hints = plugin.settings(), get_type_hints(plugin.settings)
        values = {name: replace(getattr(usual, name), **new) for name, new in changed.items()}
        sections = {one.name: getattr(own, one.name) for one in fields(own)}
    except (AttributeError, NameError, TypeError) as error:
        raise EnvError(
            f"the plugin of environment {plugin.name!r} has settings that cannot be used: {error}.",
            "Mend it; see docs/write-your-own-environment.md.",
        ) from error
    if taken := sections.keys() & {one.name for one in fields(usual)}:
        raise EnvError(
            f"environment {plugin.name!r} has a section {min(taken)!r}, which every run has.",
            "Give it another name.",
        )
    values |= sections
    return make_dataclass(
        "RunConfig",
        [(name, hints.get(name, type(v)), _always(v)) for name, v in values.items()],
        bases=(RunConfig,),
        namespace={"plugin": plugin},
        frozen=True,
        slots=True,
        kw_only=True,
    )


def _always(value: object) -> Any:
    return field(default_factory=lambda: value)
