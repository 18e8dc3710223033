"""What ships with the package: a small trained checkpoint and sample episodes."""

__all__: list[str] = []
