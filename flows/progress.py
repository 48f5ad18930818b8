"""Progress of a run: a log line, and a progress bar with the same text in the Prefect UI."""

import math
import time

from prefect.logging import get_run_logger

from schema.wording import counted
from tasks.runtime.progress_bar import ProgressBar


class Progress:
    """Reports how far a run is.

    Args:
        percent: Progress when the run began.
        description: Shown with the bar until the first report.
    """

    def __init__(self, *, percent: float = 0.0, description: str | None = None) -> None:
        self._bar = ProgressBar(percent, description)
        self._began_at, self._percent_before = time.monotonic(), percent
        self._reported_at = -math.inf

    def report(self, percent: float, text: str) -> None:
        """Log `text` and show it with the bar."""
        self._reported_at = time.monotonic()
        get_run_logger().info(text)
        self._bar.update(percent, text)

    def report_with_time_left(self, percent: float, text: str) -> None:
        """Report, with the time left at the pace of this run so far."""
        took_seconds = time.monotonic() - self._began_at
        self.report(percent, text + time_left(self._percent_before, percent, took_seconds))

    def is_older_than(self, seconds: float) -> bool:
        """Return whether the last report is older than this, or there was none."""
        return time.monotonic() - self._reported_at >= seconds


def time_left(percent_before: float, percent: float, took_seconds: float) -> str:
    """Return the time left, such as `; 3 minutes left`, or an empty string if it is unknown.

    Args:
        percent_before: Progress at the beginning.
        percent: Progress now.
        took_seconds: Time between the two.
    """
    if not percent_before < percent < 100:
        return ""
    minutes = round((100 - percent) / (percent - percent_before) * took_seconds / 60)
    return f"; {counted(minutes, 'minute')} left" if minutes else "; less than a minute left"
