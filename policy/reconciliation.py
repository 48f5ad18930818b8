"""When an interrupted reconciliation may go on, and when its outcome cannot be true."""

from datetime import timedelta

# A listing goes on where a killed run left it. Much later it would describe two different days.
RESUME_WITHIN = timedelta(days=1)


def is_another_database(orphans: int, objects: int, *, max_percent: float) -> bool:
    """Whether so many objects lack a message that rather the messages are missing.

    Args:
        orphans: Objects that belong to no message.
        objects: All that are as old.
        max_percent: The largest share that is believed.
    """
    return orphans * 100 > max_percent * objects


def is_another_bucket(missing: int, rows: int) -> bool:
    """Whether so many recordings are missing that the bucket is rather not the rows' own.

    Args:
        missing: Rows that claim an object which the bucket does not list.
        rows: All rows that claim one.
    """
    return missing * 2 > rows
