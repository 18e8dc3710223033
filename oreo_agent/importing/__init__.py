"""Other programs' logs made into episodes: tied to their games, replayed, and stored."""

from oreo_agent.importing.importer import ImportOptions, ImportReport, import_logs
from oreo_agent.importing.transcript_diff import Difference

__all__ = ["Difference", "ImportOptions", "ImportReport", "import_logs"]
