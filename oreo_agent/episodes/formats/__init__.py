"""Other programs' logs of episodes: what they hold, before any game is known."""

from oreo_agent.episodes.formats.importers import FORMATS, read_logged
from oreo_agent.episodes.formats.log_schema import LogFormatError, LoggedEpisode, LoggedTurn

__all__ = ["FORMATS", "LogFormatError", "LoggedEpisode", "LoggedTurn", "read_logged"]
