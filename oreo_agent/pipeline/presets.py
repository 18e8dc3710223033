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
        games=GamesConfig(train=24, validation=8, valid_seen=12, valid_unseen=12),
        sft=SFTSection(steps=40),
        rollouts=RolloutsConfig(per_game=2, wave=48),
        oreo=OREOSection(steps=20),
    ),
}
"""``demo`` is the default; ``smoke`` runs every stage within minutes and learns little."""
