"""Other programs' logs made into episodes: tied to their games, replayed, and stored."""

from oreo_agent.importing.agreement import Difference
from oreo_agent.importing.imports import ImportOptions, ImportReport, import_logs

__all__ = ["Difference", "ImportOptions", "ImportReport", "import_logs"]
