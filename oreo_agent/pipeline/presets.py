"""Named settings of a whole run."""

from __future__ import annotations

from oreo_agent.pipeline.config import (
    GamesConfig,
    OREOSection,
    RolloutsConfig,
    SFTSection,
    TrainConfig,
)

__all__ = ["PRESETS"]

PRESETS: dict[str, TrainConfig] = {
    "demo": TrainConfig(),
    "smoke": TrainConfig(
        games=GamesConfig(train=60, validation=10, valid_seen=12, valid_unseen=12),
        sft=SFTSection(steps=150, batch=16),
        rollouts=RolloutsConfig(per_game=2, wave=60),
        oreo=OREOSection(steps=40, value_warmup=10),
    ),
}
"""``demo`` is the default; ``smoke`` runs every stage within minutes and learns little."""
