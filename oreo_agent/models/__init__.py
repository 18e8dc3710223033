"""Models: the three roles, the presets, rendering, checkpoints."""
