"""Named settings of a whole run."""

from __future__ import annotations

from oreo_agent.learning.methods.oreo import OREOSettings
from oreo_agent.learning.methods.sft import SFTSettings
from oreo_agent.training.config import (
    EnvTrainConfig,
    GamesConfig,
    MathTrainConfig,
    ProblemsConfig,
    RolloutsConfig,
    TrainConfig,
)

__all__ = ["ENV_PRESETS", "MATH_PRESETS", "PRESETS"]

PRESETS: dict[str, TrainConfig] = {
    "demo": TrainConfig(),
    "smoke": TrainConfig(
        games=GamesConfig(train=60, validation=10, valid_seen=12, valid_unseen=12),
        sft=SFTSettings(steps=150, batch=16),
        rollouts=RolloutsConfig(per_game=2, wave=60),
        oreo=OREOSettings(steps=40, value_warmup=10),
    ),
}
"""``demo`` is the default; ``smoke`` runs every stage within minutes and learns little."""

MATH_PRESETS: dict[str, MathTrainConfig] = {
    "demo": MathTrainConfig(),
    "smoke": MathTrainConfig(
        problems=ProblemsConfig(levels="1,2", train=300, validation=20, test=40),
        sft=SFTSettings(steps=200, batch=16),
        rollouts=RolloutsConfig(per_game=1, games="all", patience=0, wave=100),
        oreo=OREOSettings(steps=40, lr=3e-4, alpha=0.1, value_warmup=10),
    ),
}
"""The same for ``oreo-agent train math``."""

ENV_PRESETS: dict[str, EnvTrainConfig] = {
    "demo": EnvTrainConfig(),
    "smoke": EnvTrainConfig(
        sft=SFTSettings(steps=150, batch=16),
        rollouts=RolloutsConfig(per_game=2, wave=60),
        oreo=OREOSettings(steps=40, value_warmup=10),
    ),
}
"""The same for every other environment."""
