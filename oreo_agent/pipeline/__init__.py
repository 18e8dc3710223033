"""The training pipeline, stage by stage."""
