"""This machine's clock against the database's; without Prefect, so that commands start fast."""

import time
from datetime import datetime

from schema.errors.base import ClockSkew
from stores import database
from tasks.resources.database import in_transaction

ALLOWED_SKEW_SECONDS = 60.0


def require_clock(as_of: datetime) -> None:
    """Compare this machine's clock with the database's.

    Args:
        as_of: Just read from this machine's clock.

    Raises:
        ClockSkew: If they differ by more than a minute: audio would be deleted too early or too
            late, URLs would expire at the wrong time, and backfills would pass over analyses dated
            in the future.
    """
    began = time.monotonic()
    database_now = in_transaction(database.now)
    waited_seconds = time.monotonic() - began  # a slow answer is not skew
    skew_seconds = (as_of - database_now).total_seconds() + waited_seconds
    if abs(skew_seconds) > ALLOWED_SKEW_SECONDS:
        raise ClockSkew(skew_seconds, ALLOWED_SKEW_SECONDS)
