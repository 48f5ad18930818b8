"""When a reconciliation is resumed, and when its result is implausible."""

from datetime import timedelta

# Later than this, a resumed listing would mix too different states of the bucket.
RESUME_WITHIN = timedelta(days=1)


def is_another_database(orphans: int, objects: int, *, max_percent: float) -> bool:
    """Return whether so many objects lack a live message that this is probably a wrong database.

    Args:
        orphans: Old objects that belong to no message, or only to deleted ones.
        objects: All old objects.
        max_percent: Share above which the result is implausible.
    """
    return orphans * 100 > max_percent * objects


def is_another_bucket(missing: int, rows: int) -> bool:
    """Return whether so many recordings are missing that this is probably the wrong bucket.

    Args:
        missing: Rows whose object is missing from the listing.
        rows: All rows that refer to an object.
    """
    return missing * 2 > rows
