"""Compare the bucket's inventory with the messages, and store the findings.

Inventory keys sort bytewise and message keys do not, so comparisons name a collation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from schema.errors.reconciliation import InventoryLost, ListingIncomplete
from schema.facts.bucket import FindingReport
from schema.facts.bucket import Reconciliation as Run
from schema.states import FindingKind
from stores.readable import size_bytes
from stores.reconciliation.inventory import WHOLE_TABLE_TIMEOUT, progress
from stores.reconciliation.stray_objects import MESSAGE_OF

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts of a comparison."""

    rows: int  # that refer to an object under the prefix
    elsewhere: int  # rows that refer to an object outside it; not compared
    objects: int  # old enough to need a row
    missing: int  # rows without an object, not yet checked
    findings: int  # of all kinds, not yet checked


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between bucket and messages."""

    id: int
    kind: FindingKind
    storage_key: str
    object_bytes: int | None
    dated_at: datetime


# Rows whose object should exist, and should have before the listing began.
_CLAIM = """m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL
    AND m.audio_processing_state NOT IN ('pending', 'uploading')
    AND m.timestamp < r.started_at AT TIME ZONE 'UTC'"""
# Between intent and confirmation, the object may or may not exist.
_BEING_DELETED = """EXISTS (
        SELECT FROM audio_ops.deletion_ledger AS l
        WHERE l.state = 'intended' AND l.storage_key = {} COLLATE "C"
    )"""
_COUNT_INVENTORY = text("SELECT count(*) FROM audio_ops.bucket_inventory")
_FORGET_FINDINGS = text(
    "DELETE FROM audio_ops.reconciliation_finding WHERE reconciliation_id = :id"
)
_FIND_ROWS = text(f"""
INSERT INTO audio_ops.reconciliation_finding
    (reconciliation_id, kind, storage_key, message_id, row_bytes, object_bytes, dated_at)
SELECT r.id,
    CASE WHEN i.storage_key IS NULL THEN 'row_without_object' ELSE 'size_difference' END,
    m.audio_storage_key, m.id, {size_bytes("m.audio_size_bytes")}, i.size_bytes,
    COALESCE(i.modified_at, m.timestamp AT TIME ZONE 'UTC')
FROM audio_ops.reconciliation AS r
JOIN messages AS m ON {_CLAIM} AND starts_with(m.audio_storage_key, r.prefix)
LEFT JOIN audio_ops.bucket_inventory AS i ON i.storage_key = m.audio_storage_key COLLATE "C"
WHERE r.id = :id AND (i.storage_key IS NULL OR i.size_bytes <> m.audio_size_bytes)
  AND NOT {_BEING_DELETED.format("m.audio_storage_key")}
""")  # noqa: S608 - ours
_FIND_OBJECTS = text(f"""
INSERT INTO audio_ops.reconciliation_finding
    (reconciliation_id, kind, storage_key, message_id, object_bytes, dated_at)
SELECT :id,
    CASE WHEN dead.rows = 0 THEN 'object_without_row' ELSE 'object_of_deleted_row' END,
    i.storage_key, dead.message_id, i.size_bytes, i.modified_at
FROM audio_ops.bucket_inventory AS i
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, CASE WHEN count(*) = 1 THEN min(m.id) END AS message_id
    FROM messages AS m
    WHERE m.audio_storage_key = i.storage_key COLLATE "default"
) AS dead
WHERE i.modified_at < :older_than
  AND NOT EXISTS (
    SELECT FROM messages AS m
    WHERE m.audio_storage_key COLLATE "C" = i.storage_key AND m.audio_deleted_at IS NULL
  )
  AND NOT {_BEING_DELETED.format("i.storage_key")}
""")  # noqa: S608 - ours
_COUNTS = text(f"""
SELECT count(*) FILTER (WHERE starts_with(m.audio_storage_key, r.prefix)),
    count(*) FILTER (WHERE NOT starts_with(m.audio_storage_key, r.prefix)),
    (SELECT count(*) FROM audio_ops.bucket_inventory AS i WHERE i.modified_at < :older_than),
    (
        SELECT count(*) FROM audio_ops.reconciliation_finding AS f
        WHERE f.reconciliation_id = :id AND f.kind = 'row_without_object'
    ),
    (
        SELECT count(*) FROM audio_ops.reconciliation_finding AS f
        WHERE f.reconciliation_id = :id
    )
FROM audio_ops.reconciliation AS r JOIN messages AS m ON {_CLAIM}
WHERE r.id = :id
""")  # noqa: S608 - ours
_SAMPLE_MISSING = text("""
SELECT storage_key FROM audio_ops.reconciliation_finding
WHERE reconciliation_id = :id AND kind = 'row_without_object'
ORDER BY random()
LIMIT :limit
""")

_FINDINGS = text("""
SELECT id, kind, storage_key, object_bytes, dated_at
FROM audio_ops.reconciliation_finding
WHERE reconciliation_id = :id AND id > :after AND kind = ANY(:kinds)
ORDER BY id
LIMIT :limit
""")
_LIVE = """EXISTS (
        SELECT FROM messages AS m
        WHERE m.audio_storage_key = f.storage_key AND m.audio_deleted_at IS NULL
    )"""
# A message could still adopt the object, for example one that was locked.
_AWAITED = f"EXISTS ({MESSAGE_OF.format('f.storage_key')} OFFSET 0)"
_KEEP = text(f"""
UPDATE audio_ops.reconciliation_finding AS f
SET checked_at = now(), object_bytes = seen.size_bytes,
    dated_at = COALESCE(seen.modified_at, f.dated_at)
FROM audio_ops.reconciliation AS r, unnest(
    CAST(:ids AS bigint[]), CAST(:sizes AS bigint[]), CAST(:modified AS timestamptz[])
) AS seen (id, size_bytes, modified_at)
WHERE r.id = :id AND f.reconciliation_id = r.id AND f.id = seen.id
  AND NOT {_BEING_DELETED.format("f.storage_key")}
  AND CASE f.kind
    WHEN 'row_without_object' THEN seen.size_bytes IS NULL AND EXISTS (
        SELECT FROM messages AS m
        WHERE m.id = f.message_id AND m.audio_storage_key = f.storage_key AND {_CLAIM}
    )
    WHEN 'size_difference' THEN EXISTS (
        SELECT FROM messages AS m
        WHERE m.id = f.message_id AND m.audio_storage_key = f.storage_key AND {_CLAIM}
          AND m.audio_size_bytes <> seen.size_bytes
    )
    ELSE seen.modified_at < :older_than AND NOT {_LIVE} AND NOT EXISTS (
        SELECT FROM messages AS m
        WHERE m.audio_storage_key = f.storage_key
          AND m.audio_deleted_at >= r.started_at AT TIME ZONE 'UTC'
    )
  END
""")  # noqa: S608 - ours
_DROP = text("""
DELETE FROM audio_ops.reconciliation_finding WHERE id = ANY(:ids) AND checked_at IS NULL
""")
_QUEUE = text(f"""
INSERT INTO audio_ops.orphan_object
    (storage_key, source, size_bytes, message_id, conversation_id, user_id)
SELECT f.storage_key, 'reconciliation', f.object_bytes, m.id, m.conversation_id, c.user_id
FROM audio_ops.reconciliation_finding AS f
LEFT JOIN messages AS m ON m.id = f.message_id
LEFT JOIN conversations AS c ON c.id = m.conversation_id
WHERE f.id = ANY(:ids) AND f.checked_at IS NOT NULL AND NOT {_LIVE} AND NOT {_AWAITED}
  AND f.kind IN ('object_without_row', 'object_of_deleted_row')
ON CONFLICT (storage_key) DO NOTHING
""")  # noqa: S608 - ours
_COUNT_UNCLAIMED = text(f"""
SELECT count(*) FROM audio_ops.reconciliation_finding AS f
WHERE f.reconciliation_id = :id AND f.checked_at IS NOT NULL AND NOT {_LIVE} AND NOT {_AWAITED}
  AND f.kind IN ('object_without_row', 'object_of_deleted_row')
""")  # noqa: S608 - ours
_COUNT_LEFT = text(f"""
SELECT count(*) FROM audio_ops.reconciliation_finding AS f
WHERE f.reconciliation_id = :id AND f.checked_at IS NOT NULL AND f.dated_at < :before
  AND f.kind IN ('object_without_row', 'object_of_deleted_row') AND NOT {_LIVE}
  AND NOT EXISTS (
    SELECT FROM audio_ops.orphan_object AS o WHERE o.storage_key = f.storage_key
  )
""")  # noqa: S608 - ours
_REPORT = text(f"""
SELECT f.kind, count(*), COALESCE(sum(COALESCE(f.object_bytes, f.row_bytes)), 0), min(f.dated_at),
    count(o.storage_key), (array_agg(f.storage_key ORDER BY f.dated_at, f.id))[1:{EXAMPLES}]
FROM audio_ops.reconciliation_finding AS f
LEFT JOIN audio_ops.orphan_object AS o ON o.storage_key = f.storage_key AND o.refused IS NULL
WHERE f.reconciliation_id = :id
GROUP BY f.kind
""")  # noqa: S608 - ours


def compare(connection: Connection, run: Run, *, older_than: datetime) -> Comparison:
    """Compare the inventory with the current messages; the findings remain to be checked.

    Args:
        connection: In a transaction; it may take minutes.
        run: A run whose listing is complete.
        older_than: Objects modified at or after this instant are ignored.

    Raises:
        ListingIncomplete: If the listing is not complete.
        InventoryLost: If the inventory does not hold all listed objects.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = '{WHOLE_TABLE_TIMEOUT}'"))
    listed = progress(connection, run)
    if not listed.complete:
        raise ListingIncomplete(listed.objects)
    what = {"id": run.id, "older_than": older_than}
    connection.execute(_FORGET_FINDINGS, what)
    connection.execute(_FIND_ROWS, what)
    connection.execute(_FIND_OBJECTS, what)
    # Checked last: nothing is added to a complete listing, so it was complete throughout.
    found = connection.execute(_COUNT_INVENTORY).scalar_one()
    if found != listed.objects:
        raise InventoryLost(found, listed.objects)
    return Comparison(*connection.execute(_COUNTS, what).one())


def sample_missing(connection: Connection, run: Run, *, limit: int) -> list[str]:
    """Return random keys of rows without an object in the listing."""
    return list(connection.execute(_SAMPLE_MISSING, {"id": run.id, "limit": limit}).scalars())


def findings(
    connection: Connection, run: Run, kinds: Sequence[FindingKind], *, after: int, limit: int
) -> list[Finding]:
    """Return findings of these kinds with ids after `after`, in id order."""
    rows = connection.execute(
        _FINDINGS, {"id": run.id, "kinds": list(kinds), "after": after, "limit": limit}
    )
    return [Finding(row[0], FindingKind(row[1]), *row[2:]) for row in rows]


def settle(
    connection: Connection,
    run: Run,
    seen: Sequence[tuple[int, int | None, datetime | None]],
    *,
    older_than: datetime,
) -> None:
    """Keep the findings that a recheck of bucket and messages confirms; delete the others.

    Args:
        connection: In a transaction.
        run: The run that made the findings.
        seen: Finding id, and the object's size and modification time, or None if it is missing.
        older_than: As for `compare`.
    """
    progress(connection, run)
    ids, sizes, modified = ([row[n] for row in seen] for n in range(3))
    facts = {"ids": ids, "sizes": sizes, "modified": modified}
    connection.execute(_KEEP, {"id": run.id, "older_than": older_than, **facts})
    connection.execute(_DROP, {"ids": ids})


def count_unclaimed(connection: Connection, run: Run) -> int:
    """Count the objects that no live message has and none could adopt: all that `queue` takes."""
    return int(connection.execute(_COUNT_UNCLAIMED, {"id": run.id}).scalar_one())


def queue(connection: Connection, run: Run, ids: Sequence[int]) -> int:
    """Queue orphans that no message has or could adopt for the sweep; return how many."""
    progress(connection, run)
    return connection.execute(_QUEUE, {"ids": list(ids)}).rowcount


def count_left(connection: Connection, run: Run, *, before: datetime) -> int:
    """Count the objects from before an instant that no live row has and that are not queued."""
    return int(connection.execute(_COUNT_LEFT, {"id": run.id, "before": before}).scalar_one())


def report(connection: Connection, run: Run) -> tuple[FindingReport, ...]:
    """Summarise the findings by kind."""
    rows = connection.execute(_REPORT, {"id": run.id})
    reports = [
        FindingReport(FindingKind(kind), count, int(size_bytes), oldest_at, queued, tuple(examples))
        for kind, count, size_bytes, oldest_at, queued, examples in rows
    ]
    return tuple(sorted(reports, key=lambda found: list(FindingKind).index(found.kind)))
