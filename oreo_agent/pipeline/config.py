"""What a run is made of: every knob of ``oreo-agent train``, with unit and default. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "DemonstrationsConfig",
    "EvaluationConfig",
    "GamesConfig",
    "ModelConfig",
    "OREOSection",
    "RejectionSection",
    "RolloutsConfig",
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
    size: str = "small"
    """Size of generated houses: ``small`` or ``full``."""
    seed: int = 0
    """Seed of the generated houses. Apart from the run's seed, so that runs share their games."""
    train: int = 3000
    """Training games; 0 means all there are."""
    validation: int = 60
    """Further training games whose demonstrations are held out, to choose the SFT checkpoint."""
    valid_seen: int = 160
    """Held-out games in training scenes; 0 means all there are."""
    valid_unseen: int = 160
    """Held-out games in scenes never trained on; 0 means all there are."""
    horizon: int = 50
    """Turns after which an episode ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationsConfig:
    """The expert's episodes."""

    per_game: int = 2
    noise: float = 0.4
    """Each episode draws, between 0 and this, the probability per turn of a distraction; what
    distracts is there to be recovered from, SFT does not imitate it."""
    games: int = 1500
    """Training games that are demonstrated; 0 means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The network."""

    preset: str = "mini"
    """``nano``, ``mini`` (0.4 M parameters), ``tiny`` (1 M) or ``small`` (6 M)."""
    max_length: int = 2048
    """Longest training episode, in tokens; longer ones are dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTSection:
    """Supervised fine-tuning on the demonstrations."""

    steps: int = 1000
    batch: int = 32
    """Episodes an update."""
    lr: float = 3e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutsConfig:
    """The SFT policy's own episodes, from which rejection sampling and OREO learn."""

    per_game: int = 1
    temperature: float = 1.0
    wave: int = 150
    """Episodes played in lock-step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionSection:
    """Rejection sampling: SFT on the successful rollouts, with as many updates as OREO."""

    lr: float = 5e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class OREOSection:
    """OREO, token level (arXiv 2412.16145)."""

    steps: int = 1000
    batch: int = 16
    """Episodes an update."""
    lr: float = 5e-4
    value_lr: float = 1e-3
    beta: float = 0.03
    """KL temperature."""
    alpha: float = 0.01
    """Weight of the exact KL(pi || ref). The effective temperature is beta + alpha / (2 beta)."""
    after_state_weight: float = 0.5
    """Weight of the value loss behind each turn's last token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How success is measured."""

    temperature: float = 0.0
    """0 is greedy decoding."""
    sampled: bool = False
    """Also play every game once at temperature 1."""
    restricted: bool = False
    """Restrict decoding to admissible actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run of ``oreo-agent train alfworld``."""

    seed: int = 0
    """Seed of the demonstrations, the weights, the rollouts and the order of batches."""
    threads: int = 0
    """Torch threads; 0 means the cores this process may use."""
    workers: int = 0
    """Environment processes; 0 means the cores this process may use."""
    save_every: int = 100
    """Updates between two training checkpoints."""
    log_every: int = 20
    """Updates between two lines of metrics."""
    games: GamesConfig = field(default_factory=GamesConfig)
    demonstrations: DemonstrationsConfig = field(default_factory=DemonstrationsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    sft: SFTSection = field(default_factory=SFTSection)
    rollouts: RolloutsConfig = field(default_factory=RolloutsConfig)
    rejection: RejectionSection = field(default_factory=RejectionSection)
    oreo: OREOSection = field(default_factory=OREOSection)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
