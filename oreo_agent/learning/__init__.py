"""The learner: one batch type, pure losses, trainers."""

__all__: list[str] = []
