"""What a run is made of: every knob of ``oreo-agent train``, with unit and default. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from oreo_agent.config.loader import setting

__all__ = [
    "DemonstrationsConfig",
    "EvaluationConfig",
    "GamesConfig",
    "MathTrainConfig",
    "ModelConfig",
    "OREOSection",
    "ProblemsConfig",
    "RejectionSection",
    "RolloutsConfig",
    "RunConfig",
    "SFTSection",
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
class DemonstrationsConfig:
    """The expert's episodes."""

    per_game: int = setting(2, ge=1)
    noise: float = setting(0.4, ge=0, le=1)
    """Each episode draws, between 0 and this, the probability per turn of a distraction; what
    distracts is there to be recovered from, SFT does not imitate it."""
    games: int = setting(1000, ge=0)
    """Training games that are demonstrated; 0 means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The network."""

    preset: Literal["nano", "mini", "tiny", "small"] = "mini"
    """``nano``, ``mini`` (0.4 M parameters), ``tiny`` (1 M) or ``small`` (6 M)."""
    max_length: int = setting(2048, ge=2)
    """Longest training episode, in tokens; longer ones are dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTSection:
    """Supervised fine-tuning on the demonstrations."""

    steps: int = setting(1500, ge=1)
    batch: int = setting(32, ge=1)
    """Episodes an update."""
    lr: float = setting(3e-3, gt=0)


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
class RejectionSection:
    """Rejection sampling: SFT on the successful rollouts, with as many updates as OREO."""

    lr: float = setting(5e-4, gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OREOSection:
    """OREO, token level (arXiv 2412.16145)."""

    steps: int = setting(1200, ge=1)
    batch: int = setting(16, ge=1)
    """Episodes an update."""
    lr: float = setting(5e-4, gt=0)
    value_lr: float = setting(1e-3, gt=0)
    beta: float = setting(0.03, gt=0)
    """KL temperature."""
    alpha: float = setting(0.01, ge=0)
    """Weight of the exact KL(pi || ref). The effective temperature is beta + alpha / (2 beta)."""
    value_warmup: int = setting(150, ge=0)
    """Updates that train the value model alone, before the policy begins."""
    after_state_weight: float = setting(0.5, ge=0)
    """Weight of the value loss behind each turn's last token."""


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
class RunConfig:
    """What every run has, whatever the environment."""

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
    demonstrations: DemonstrationsConfig = field(default_factory=DemonstrationsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    sft: SFTSection = field(default_factory=SFTSection)
    rollouts: RolloutsConfig = field(default_factory=RolloutsConfig)
    rejection: RejectionSection = field(default_factory=RejectionSection)
    oreo: OREOSection = field(default_factory=OREOSection)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


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
    sft: SFTSection = field(default_factory=lambda: SFTSection(steps=1500))
    rollouts: RolloutsConfig = field(
        default_factory=lambda: RolloutsConfig(per_game=2, games="all", patience=0, wave=200)
    )
    oreo: OREOSection = field(
        default_factory=lambda: OREOSection(steps=1000, lr=3e-4, alpha=0.1, value_warmup=250)
    )
    """A wrong digit leaves nine others, of which the data shows few: without a stronger hold on the
    reference, what leaves the wrong one goes to digits never tried, and policies get worse."""
