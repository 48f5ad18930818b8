"""Measure storage in one pass over messages and ledger, and keep daily metrics.

Ages are in whole days of 24 hours, counted back from `as_of`: day 0 ends with it. So no day is
partial or affected by daylight saving.
"""

from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy import Connection, bindparam, text

from schema.tables.base import UtcDateTime
from stores.readable import LARGEST_OBJECT_BYTES, LONGEST_RECORDING_MS, possible, size_bytes
from stores.tiers import CURRENT_TIERS

OLDEST_DAYS = 400  # older days are merged; longer than any retention with its grace
MEASUREMENT_TIMEOUT = "1h"  # for statements that read all messages
STOCK = {
    "language": pl.String,
    "has_user": pl.Boolean,
    "current_tier": pl.String,  # of the learner's newest subscription
    "system": pl.Boolean,
    "format": pl.String,
    "said_days": pl.Int32,
    "deleted_days": pl.Int32,  # null: still stored at `as_of`
    "in_grace": pl.Boolean,
    "objects": pl.Int64,
    "bytes": pl.Int64,  # of objects with a valid size
    "audio_ms": pl.Int64,
    "unsized": pl.Int64,
}
GONE = {
    "tier": pl.String,
    "said_days": pl.Int32,  # null: its message is deleted
    "deleted_days": pl.Int32,
    "by_retention": pl.Boolean,
    "objects": pl.Int64,
    "bytes": pl.Int64,
}
METRICS = {"day": pl.Date, "tier": pl.String, "measure": pl.String, "value": pl.Int64}

_BITS = 9  # enough for a number of days
_DAYS = (1 << _BITS) - 1
_LIVE, _IN_GRACE = _DAYS, _DAYS - 1  # codes in place of days since deletion
# Shifted so that days end at `as_of` and include their end. Timestamps may be infinite.
_AGO = "(:day - CAST(GREATEST({}, :oldest) - :shift AS date))"
_SAID = _AGO.format("m.timestamp")
_SAID_BY_THEN = _AGO.format("LEAST(m.timestamp, :as_of)")
_DELETED = _AGO.format("m.audio_deleted_at")

# Uploads in progress do not count. An erased message is `pending` again, but was stored.
_WAS_STORED = """(m.audio_deleted_at IS NOT NULL
            OR COALESCE(m.audio_processing_state, '') NOT IN ('pending', 'uploading'))"""

# Group keys are packed into `owner` and `code`. OFFSET keeps the planner from flattening the
# subqueries: it would then expect as many groups as messages, and use neither hashing nor parallel
# workers. Only a bigint zero is recognised as an OFFSET that allows parallel plans.
_GROUPS = f"""
SELECT c.owner, m.format, m.code, count(*) AS objects, CAST(sum(m.bytes) AS bigint) AS bytes,
    CAST(sum(m.audio_ms) AS bigint) AS audio_ms, count(*) - count(m.bytes) AS unsized
FROM (
    SELECT m.conversation_id, m.audio_format AS format,
        {_SAID} + (CASE
            WHEN m.audio_deleted_at <= :as_of THEN {_DELETED}
            WHEN m.audio_retention_expires_at <= :as_of THEN {_IN_GRACE}
            ELSE {_LIVE}
        END << {_BITS}) + CASE WHEN m.role = 'system' THEN 1 << {2 * _BITS} ELSE 0 END AS code,
        {possible("m.audio_size_bytes", LARGEST_OBJECT_BYTES)} AS bytes,
        {possible("m.audio_duration_ms", LONGEST_RECORDING_MS)} AS audio_ms
    FROM messages AS m
    WHERE m.timestamp <= :as_of
        AND (m.audio_storage_key IS NOT NULL OR m.audio_deleted_at IS NOT NULL)
        AND {_WAS_STORED}
    OFFSET BIGINT '0'
) AS m
JOIN (
    SELECT c.id, CAST(json_build_array(
        c.target_language_id, c.user_id IS NOT NULL, s.current_tier
    ) AS text) AS owner
    FROM conversations AS c LEFT JOIN ({CURRENT_TIERS}
    ) AS s ON s.user_id = c.user_id
    OFFSET BIGINT '0'
) AS c ON c.id = m.conversation_id
GROUP BY c.owner, m.format, m.code
"""  # noqa: S608 - ours
_PACKED = {"owner": pl.String, "format": pl.String, "code": pl.Int64} | {
    name: STOCK[name] for name in ("objects", "bytes", "audio_ms", "unsized")
}
# One row of whole columns: thousands of rows would trigger Python's garbage collector.
_STOCK = text(f"""
SELECT {", ".join(f"array_agg(g.{name}) AS {name}" for name in _PACKED)} FROM ({_GROUPS}) AS g
""").bindparams(  # noqa: S608 - ours
    bindparam("as_of", type_=UtcDateTime), bindparam("oldest", type_=UtcDateTime)
)

# Objects whose message still has their size are already in the stock. An erasure deletes all keys
# of the learner's messages, including those that a sweep had deleted before.
_GONE = text(f"""
SELECT l.tier, CASE WHEN m.id IS NOT NULL THEN {_SAID_BY_THEN} END AS said_days,
    {_AGO.format("l.finished_at AT TIME ZONE 'UTC'")} AS deleted_days,
    l.reason = 'retention' AS by_retention,
    count(*) FILTER (WHERE m.id IS NULL), CAST(sum(l.size_bytes) AS bigint)
FROM audio_ops.deletion_ledger AS l LEFT JOIN messages AS m ON m.id = l.message_id
WHERE l.state = 'deleted' AND l.finished_at AT TIME ZONE 'UTC' <= :as_of
    AND (m.audio_deleted_at <= :as_of AND {size_bytes("m.audio_size_bytes")} >= 0) IS NOT TRUE
    AND NOT (l.reason = 'erasure' AND EXISTS (
        SELECT FROM audio_ops.deletion_ledger AS earlier
        WHERE earlier.message_id = l.message_id AND earlier.key_sha256 = l.key_sha256
            AND earlier.state = 'deleted' AND earlier.id < l.id
    ))
GROUP BY 1, 2, 3, 4
""").bindparams(  # noqa: S608 - ours
    bindparam("as_of", type_=UtcDateTime), bindparam("oldest", type_=UtcDateTime)
)

_ACTIVE = text(f"""
SELECT count(DISTINCT c.user_id)
FROM (
    SELECT DISTINCT m.conversation_id FROM messages AS m
    WHERE m.timestamp > :since AND m.timestamp <= :as_of AND m.role = 'user'
        AND (m.audio_storage_key IS NOT NULL OR m.audio_deleted_at IS NOT NULL)
        AND {_WAS_STORED}
) AS m JOIN conversations AS c ON c.id = m.conversation_id
""").bindparams(  # noqa: S608 - ours
    bindparam("since", type_=UtcDateTime), bindparam("as_of", type_=UtcDateTime)
)

_FORGET_DAY = text("""
DELETE FROM audio_ops.storage_metric WHERE day = :measured_day
    AND (reconstructed OR NOT :reconstructed)
""")
_WRITE = text("""
INSERT INTO audio_ops.storage_metric (day, tier, measure, value, reconstructed, measured_at)
SELECT n.day, n.tier, n.measure, n.value, :reconstructed OR n.day <> :measured_day,
    :as_of - (:measured_day - n.day) * interval '24 hours'
FROM unnest(
    CAST(:days AS date[]), CAST(:tiers AS text[]), CAST(:measures AS text[]),
    CAST(:values AS bigint[])
) AS n (day, tier, measure, value)
WHERE NOT EXISTS (
    SELECT FROM audio_ops.storage_metric AS known WHERE known.day = n.day
)
""")
_HISTORY = text("""
SELECT day, tier, measure, value FROM audio_ops.storage_metric
WHERE day > :after AND day <= :until
""")


def stock(connection: Connection, *, as_of: datetime) -> pl.DataFrame:
    """Return all audio ever stored, as of an instant, in groups: columns as `STOCK`.

    Args:
        connection: In a transaction; changes its settings until it ends.
        as_of: UTC. Later messages are ignored; audio deleted later still counts as stored.
    """
    _prepare(connection)
    columns = connection.execute(_STOCK, _instants(as_of)).mappings().one()
    packed = pl.DataFrame({name: values or [] for name, values in columns.items()}, _PACKED)
    code = pl.col("code")
    state = (code // (1 << _BITS)) % (1 << _BITS)
    return packed.select(
        language=pl.col("owner").str.json_path_match("$[0]"),
        has_user=pl.col("owner").str.json_path_match("$[1]") == "true",
        current_tier=pl.col("owner").str.json_path_match("$[2]"),
        system=code >= 1 << (2 * _BITS),
        format="format",
        said_days=(code % (1 << _BITS)).cast(pl.Int32),
        deleted_days=pl.when(state < _IN_GRACE).then(state).cast(pl.Int32),
        in_grace=state == _IN_GRACE,
        objects="objects",
        bytes=pl.col("bytes").fill_null(0),
        audio_ms=pl.col("audio_ms").fill_null(0),
        unsized="unsized",
    )


def gone(connection: Connection, *, as_of: datetime) -> pl.DataFrame:
    """Return deleted objects whose size only the ledger knows: columns as `GONE`.

    Objects whose message still exists are counted in `stock`: here they add only bytes, under the
    day of their message.
    """
    _prepare(connection)
    frame = pl.DataFrame(connection.execute(_GONE, _instants(as_of)).all(), GONE, orient="row")
    return frame.with_columns(pl.col("bytes").fill_null(0))


def active_learners(connection: Connection, *, since: datetime, as_of: datetime) -> int:
    """Count the learners who sent audio in `(since, as_of]`, UTC; guests are excluded."""
    _prepare(connection)
    return int(connection.execute(_ACTIVE, {"since": since, "as_of": as_of}).scalar_one())


def write(
    connection: Connection, metrics: pl.DataFrame, *, as_of: datetime, reconstructed: bool
) -> None:
    """Replace the measured day; add earlier days that have no metrics yet.

    Reconstructed metrics never replace measured ones.

    Args:
        connection: In a transaction.
        metrics: Columns as `METRICS`, of the measured day and earlier days.
        as_of: Time of the measurement, UTC; its date is the measured day.
        reconstructed: Whether the measured day itself was reconstructed later.
    """
    measurement = {"measured_day": as_of.date(), "reconstructed": reconstructed}
    connection.execute(_FORGET_DAY, measurement)
    values = {f"{name}s": metrics[name].to_list() for name in ("day", "tier", "measure", "value")}
    connection.execute(_WRITE, values | measurement | {"as_of": as_of})


def history(connection: Connection, *, after: date, until: date) -> pl.DataFrame:
    """Return the metrics of the days in `(after, until]`: columns as `METRICS`, unordered."""
    rows = connection.execute(_HISTORY, {"after": after, "until": until}).all()
    return pl.DataFrame(rows, METRICS, orient="row")


def _prepare(connection: Connection) -> None:
    """Raise the transaction's statement timeout and work memory."""
    connection.execute(text(f"SET LOCAL statement_timeout = '{MEASUREMENT_TIMEOUT}'"))
    connection.execute(text("SET LOCAL work_mem = '64MB'"))


def _instants(as_of: datetime) -> dict[str, object]:
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "as_of": as_of,
        "oldest": as_of - timedelta(days=OLDEST_DAYS),
        "day": as_of.date() - timedelta(days=1),
        # A day includes its end, `as_of`, but not its beginning.
        "shift": as_of - midnight + timedelta(microseconds=1),
    }
