"""The ``data`` commands."""
