"""Store the bucket's listing in the database: begin, resume, add pages, finish.

A run's token guards its writes: once another run has taken over, they are refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import Connection, text

from schema.errors.reconciliation import ListingOvertaken
from schema.facts.bucket import ObjectFacts
from schema.facts.bucket import Reconciliation as Run

WHOLE_TABLE_TIMEOUT = "1h"  # for statements that read all objects or messages


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the listing."""

    last_key: str | None
    objects: int
    size_bytes: int
    complete: bool


# A lost inventory looks like an empty listing, so empty listings are never resumed. The others must
# hold what was listed: as many objects, of the same size, up to the same key.
_LOCK = text("LOCK TABLE audio_ops.reconciliation IN EXCLUSIVE MODE")
_RESUME = text("""
UPDATE audio_ops.reconciliation AS r SET token = :token
WHERE r.finished_at IS NULL AND r.bucket = :bucket AND r.prefix = :prefix
  AND r.started_at > now() - CAST(:resume_within AS interval)
  AND r.objects > 0 AND (r.objects, r.size_bytes, r.last_key COLLATE "C") = (
    SELECT count(*), COALESCE(sum(size_bytes), 0), max(storage_key)
    FROM audio_ops.bucket_inventory
  )
RETURNING r.id
""")
_FORGET_UNFINISHED = text("DELETE FROM audio_ops.reconciliation WHERE finished_at IS NULL")
_ABANDON = text("DELETE FROM audio_ops.reconciliation WHERE id = :id AND token = :token")
_CLEAR = text("DELETE FROM audio_ops.bucket_inventory")
_BEGIN = text("""
INSERT INTO audio_ops.reconciliation (token, bucket, prefix)
VALUES (:token, :bucket, :prefix)
RETURNING id
""")
_HOLD = text("""
SELECT last_key, objects, size_bytes, listed_at IS NOT NULL
FROM audio_ops.reconciliation
WHERE id = :id AND token = :token
FOR UPDATE
""")
_ADVANCE = text("""
UPDATE audio_ops.reconciliation
SET last_key = :last_key, objects = objects + :objects, size_bytes = size_bytes + :size_bytes
WHERE id = :id
""")
_END_LISTING = text("UPDATE audio_ops.reconciliation SET listed_at = now() WHERE id = :id")
_COPY = "COPY audio_ops.bucket_inventory (storage_key, size_bytes, modified_at) FROM STDIN"
_FINISH = (
    # The last key names a learner, and is needed only to continue.
    text("UPDATE audio_ops.reconciliation SET finished_at = now(), last_key = NULL WHERE id = :id"),
    text("DELETE FROM audio_ops.reconciliation_finding WHERE reconciliation_id <> :id"),
    _CLEAR,
)


def begin(connection: Connection, bucket: str, prefix: str, *, resume_within: timedelta) -> Run:
    """Resume the unfinished reconciliation of this bucket and prefix, or begin a new one.

    Args:
        connection: In a transaction.
        bucket: The bucket's address, as buckets of different servers may have the same name.
        prefix: Prefix of the keys to compare.
        resume_within: Maximum age of an unfinished reconciliation. Older ones are deleted, as are
            those that have listed nothing or lost their inventory.
    """
    token = uuid4()
    what = {"token": token, "bucket": bucket, "prefix": prefix}
    connection.execute(_LOCK)
    resumed = connection.execute(_RESUME, {**what, "resume_within": resume_within}).scalar()
    if resumed is not None:
        return Run(int(resumed), token)
    connection.execute(_FORGET_UNFINISHED)
    connection.execute(_CLEAR)
    return Run(int(connection.execute(_BEGIN, what).scalar_one()), token)


def progress(connection: Connection, run: Run) -> Progress:
    """Return the listing's progress, and lock it against takeover until the transaction ends.

    Raises:
        ListingOvertaken: If another run has taken over.
    """
    row = connection.execute(_HOLD, {"id": run.id, "token": run.token}).one_or_none()
    if row is None:
        raise ListingOvertaken
    return Progress(*row)


def add_page(
    connection: Connection, run: Run, page: Sequence[ObjectFacts], *, after: str | None
) -> None:
    """Write one page of the listing; does nothing if it is already written.

    Args:
        connection: In a transaction.
        run: The run that lists.
        page: In key order; without NUL characters, which text columns cannot hold.
        after: Last key of the previous page.
    """
    if not page or progress(connection, run).last_key != after:
        return
    size_bytes = sum(listed.size_bytes for listed in page)
    advance = {"last_key": page[-1].key, "objects": len(page), "size_bytes": size_bytes}
    connection.execute(_ADVANCE, {"id": run.id, **advance})
    raw: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        for listed in page:
            copy.write_row((listed.key, listed.size_bytes, listed.modified_at))


def end_listing(connection: Connection, run: Run) -> None:
    """Record that the listing is complete."""
    progress(connection, run)
    connection.execute(_END_LISTING, {"id": run.id})


def abandon(connection: Connection, run: Run) -> None:
    """Delete the reconciliation with its listing and findings; the next run starts over."""
    if connection.execute(_ABANDON, {"id": run.id, "token": run.token}).rowcount:
        connection.execute(_CLEAR)


def finish(connection: Connection, run: Run) -> None:
    """Finish the reconciliation: its findings replace those of earlier ones."""
    progress(connection, run)
    for statement in _FINISH:
        connection.execute(statement, {"id": run.id})
