"""Following a training run from outside: its stages, progress, metrics and episodes."""
