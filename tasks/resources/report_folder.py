"""Where reports are written."""

from pathlib import Path

from settings.environment import ReportSettings


def reports_dir() -> Path:
    """Return the folder for files that people and other programs read, made or not."""
    return ReportSettings().reports_dir
