"""The folder for reports."""

from pathlib import Path

from settings.environment import ReportSettings


def reports_dir() -> Path:
    """Return the folder for report files; it may not exist yet."""
    return ReportSettings().reports_dir
