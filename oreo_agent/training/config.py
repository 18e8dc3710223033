"""What a run is made of: every knob of ``oreo-agent train``, with unit and default. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from oreo_agent.config.loader import setting
from oreo_agent.learning.methods import METHODS, MethodSettings
from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.learning.methods.sft import SFTSettings
from oreo_agent.training.method_names import Name, find_method
from oreo_agent.training.stage_plan import Stage, build_stages

__all__ = [
    "DemonstrationsConfig",
    "EnvTrainConfig",
    "EvaluationConfig",
    "GamesConfig",
    "MathTrainConfig",
    "ModelConfig",
    "ProblemsConfig",
    "RolloutsConfig",
    "RoundsConfig",
    "RunConfig",
    "TasksConfig",
    "TrainConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GamesConfig:
    """Which games are played."""

    source: str = "houses"
    """``houses`` (generated), ``official`` (ALFWorld's own), or a folder of games."""
    data: str = ""
    """Folder of the official games; empty means ``ALFWORLD_DATA``."""
    size: Literal["small", "full"] = "small"
    """Size of generated houses: ``small`` or ``full``."""
    seed: int = setting(0, ge=0)
    """Seed of the generated houses. Apart from the run's seed, so that runs share their games."""
    receptacles: str = ""
    """Fewest and most receptacles of generated houses, e.g. ``4-6``; empty leaves it to the size.
    """
    objects: str = ""
    """Fewest and most objects."""
    distractors: str = ""
    """Fewest and most objects that can be taken but do not serve the task; not with ``objects``."""
    task_types: str = ""
    """``balanced``, ``official``, or task types with commas between, each with ``=WEIGHT`` if need
    be; empty: balanced for small houses, official for full ones."""
    goals: Literal["official", "varied"] = "official"
    """The wording of generated houses' goals: ALFWorld's, or ``varied`` in words people use."""
    dialect: Literal["native", "put", "move"] = "native"
    """What the agent speaks: each game's own, ``put X in/on Y`` or ``move X to Y``."""
    train: int = setting(3000, ge=0)
    """Training games; 0 means all there are."""
    validation: int = setting(60, ge=0)
    """Further training games whose demonstrations are held out, to choose the SFT checkpoint."""
    valid_seen: int = setting(160, ge=0)
    """Held-out games in training scenes; 0 means all there are."""
    valid_unseen: int = setting(160, ge=0)
    """Held-out games in scenes never trained on; 0 means all there are."""
    horizon: int = setting(50, ge=1)
    """Turns after which an episode ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemsConfig:
    """Which mathematical problems are solved."""

    source: Literal["generated", "gsm8k", "math"] = "generated"
    """``generated``, ``gsm8k`` or ``math``."""
    data: str = ""
    """JSONL file of ``gsm8k`` or ``math``, or a folder of them; empty asks the Hub."""
    levels: str = "1,2,3,4,5"
    """Mix of generated problems: ``1,2`` in equal shares, ``1:3,2:1`` in shares of 3 and 1."""
    delimiter: Literal["newline", "sentence"] = "newline"
    """What ends a step: a newline, or a sentence too."""
    seed: int = setting(0, ge=0)
    """Seed of the generated problems. Apart from the run's seed, so that runs share them."""
    train: int = setting(6000, ge=0)
    """Training problems; 0 means all there are."""
    validation: int = setting(100, ge=0)
    """Further training problems whose solutions are held out, to choose the SFT checkpoint."""
    valid: int = setting(300, ge=0)
    """Problems of the split ``valid``, which training never touches; 0 means all there are."""
    test: int = setting(300, ge=0)
    """Problems that every method is measured on; 0 means all there are."""
    horizon: int = setting(20, ge=1)
    """Steps after which a solution ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksConfig:
    """Which tasks of any other environment are played. Its training split is called ``train``."""

    environment: str = ""
    """Its name; the command fills it in."""
    seed: int = setting(0, ge=0)
    """Seed of the choice of tasks. Apart from the run's seed, so that runs share them."""
    train: int = setting(0, ge=0)
    """Training tasks; 0 means all there are."""
    validation: int = setting(0, ge=0)
    """Further training tasks whose demonstrations are held out, to choose the SFT checkpoint; with
    logged episodes, as many of these."""
    held_out: tuple[str, ...] = ()
    """Splits that every method is measured on; none named: all but ``train``."""
    evaluation: int = setting(0, ge=0)
    """Tasks of each such split; 0 means all there are."""
    max_tokens: int = setting(64, ge=1)
    """A message of the agent that has not ended by then holds no action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationsConfig:
    """The expert's episodes."""

    per_game: int = setting(4, ge=1)
    noise: float = setting(0.4, ge=0, le=1)
    """Each episode draws, between 0 and this, the probability per turn of a distraction; what
    distracts is there to be recovered from, SFT does not imitate it."""
    games: int = setting(1000, ge=0)
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
    message_tokens: int = setting(64, ge=1)
    """A message of a pre-trained model that has not ended by then holds no action; thoughts need
    some 256."""
    precision: Literal["float32", "bfloat16", "4bit"] = "float32"
    """Of a pre-trained model's weights; ``4bit`` needs bitsandbytes and LoRA."""
    lora_rank: int = setting(0, ge=0)
    """Train low-rank adapters of this rank on one frozen copy of a pre-trained model: one for the
    policy, one for the value model, none for the reference. 0 trains all weights."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    max_length: int = setting(2048, ge=2)
    """Longest training episode, in tokens; longer ones are dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsConfig:
    """The SFT policy's own episodes, from which rejection sampling and OREO learn."""

    per_game: int = setting(5, ge=1)
    games: Literal["new", "all"] = "new"
    """``new``: training games that were not demonstrated, if there are any: the policy wins nearly
    all of those that were, which teaches little. ``all``: every training game."""
    patience: int = setting(4, ge=0)
    """An episode ends as lost when one action has brought the same answer this often; 0: never."""
    temperature: float = setting(1.0, ge=0)
    wave: int = setting(150, ge=1)
    """Episodes played in lock-step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsConfig:
    """How often rollouts are collected and learnt from."""

    count: int = setting(1, ge=1)
    """Rounds. From the second on the policy that OREO has reached plays the rollouts."""
    reference: Literal["sft", "start"] = "sft"
    """What the KL and the log-ratios are taken against after the first round: the ``sft`` policy
    (of OREO: ``oreo.start``), kept, or each method's policy at the ``start`` of the round, which
    moves."""
    data: Literal["all", "last"] = "all"
    """Learn from the rollouts of ``all`` rounds so far, or of the ``last`` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How success is measured."""

    temperature: float = setting(0.0, ge=0)
    """0 is greedy decoding."""
    sampled: bool = False
    """Also play every game once at temperature 1."""
    restricted: bool = False
    """Restrict decoding to admissible actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunSettings:
    """Settings of every run, but for the sections of some methods."""

    seed: int = setting(0, ge=0)
    """Seed of the demonstrations, the weights, the rollouts and the order of batches."""
    threads: int = setting(0, ge=0)
    """Torch threads; 0 means the cores this process may use."""
    workers: int = setting(0, ge=0)
    """Environment processes; 0 means the cores this process may use."""
    save_every: int = setting(100, ge=1)
    """Updates between two training checkpoints."""
    log_every: int = setting(20, ge=1)
    """Updates between two lines of metrics."""
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Additional metric loggers: ``tensorboard``, ``trackio``, ``wandb``."""
    methods: tuple[Name, ...] = ("sft", "rejection", "oreo")
    """Methods that are trained and measured: ``rejection``, ``dpo``, ``dpo-nll``, ``kto``, ``oreo``
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
    """Settings of every run: its own, and the section of each method."""

    def of_method(self, name: str) -> MethodSettings:
        """Return the section of a method.

        Raises:
            ConfigError: There is no such method.
        """
        section: MethodSettings = getattr(self, find_method(name).section)
        return section

    def stages(self, *, logged: bool, start: bool) -> tuple[Stage, ...]:
        """Return the stages of the run.

        Args:
            logged: Whether logged episodes take the place of the first ones to be collected.
            start: Whether a checkpoint takes the place of SFT.
        """
        return build_stages(
            self.methods,
            rounds=self.rounds.count,
            sampled=self.evaluation.sampled,
            sft_updates=self.sft.steps,
            updates=self.oreo.steps,
            logged=logged,
            start=start,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(RunConfig):
    """A whole run of ``oreo-agent train alfworld``."""

    games: GamesConfig = field(default_factory=GamesConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class MathTrainConfig(RunConfig):
    """A whole run of ``oreo-agent train math``."""

    problems: ProblemsConfig = field(default_factory=ProblemsConfig)
    demonstrations: DemonstrationsConfig = field(
        default_factory=lambda: DemonstrationsConfig(per_game=1, noise=0.2, games=0)
    )
    sft: SFTSettings = field(default_factory=lambda: SFTSettings(steps=1500))
    rollouts: RolloutsConfig = field(
        default_factory=lambda: RolloutsConfig(per_game=2, games="all", patience=0, wave=200)
    )
    oreo: OREOSettings = field(
        default_factory=lambda: OREOSettings(steps=1000, lr=3e-4, alpha=0.1, value_warmup=250)
    )
    """A wrong digit leaves nine others, of which the data shows few: without a stronger hold on the
    reference, what leaves the wrong one goes to digits never tried, and policies get worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvTrainConfig(RunConfig):
    """A whole run of ``oreo-agent train NAME``, of an environment that others wrote."""

    tasks: TasksConfig = field(default_factory=TasksConfig)
    env: Mapping[str, object] = field(default_factory=dict)
    """The environment's own options, by name."""
