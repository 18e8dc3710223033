"""A training run, stage by stage."""
