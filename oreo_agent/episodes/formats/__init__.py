"""Other programs' logs of episodes: what they hold, before any game is known."""

from oreo_agent.episodes.formats.logged import LogFormatError, LoggedEpisode, LoggedTurn
from oreo_agent.episodes.formats.reading import FORMATS, read_logged

__all__ = ["FORMATS", "LogFormatError", "LoggedEpisode", "LoggedTurn", "read_logged"]
