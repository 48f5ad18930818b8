"""Throughput of analyses, and the bucket's traffic, within a period."""

from collections.abc import Collection
from datetime import date, datetime

import polars as pl
from sqlalchemy import Connection, bindparam, text

from schema.facts.costs import Throughput
from schema.states import FailureCause
from schema.tables.base import UtcDateTime

UNKNOWN_CAUSE = "unknown"
FAILURES = {"cause": pl.String, "messages": pl.Int64}
MEASUREMENT_TIMEOUT = "10min"  # for statements that read a month of analyses

# The duration of speech and pauses is stored with the scores; joining `messages` for recordings'
# durations takes ten times as long. `raw_features` may have any shape, and is read only for failed
# analyses.
_ANALYSES = text("""
SELECT a.analysis_error IS NOT NULL AS failed,
    CASE WHEN a.analysis_error IS NOT NULL
        AND jsonb_typeof(a.raw_features -> 'failure_cause') = 'string'
        THEN a.raw_features ->> 'failure_cause' END AS cause,
    count(*) AS messages,
    COALESCE(sum(
        CAST(GREATEST(a.total_speech_duration_ms, 0) AS bigint)
            + GREATEST(a.total_pause_duration_ms, 0)
    ), 0) AS audio_ms,
    COALESCE(sum(a.analysis_duration_ms) FILTER (WHERE a.analysis_duration_ms >= 0), 0)
        AS analysis_ms
FROM message_audio_analysis AS a
WHERE a.analyzed_at > :since AND a.analyzed_at <= :as_of
    AND (CAST(:engines AS text[]) IS NULL OR a.analysis_engine = ANY(:engines))
    AND NOT EXISTS (
        SELECT FROM audio_ops.quarantine AS q
        WHERE q.message_id = a.message_id AND q.released_at IS NULL AND q.rule = ANY(:distrusted)
    )
GROUP BY 1, 2
""").bindparams(bindparam("since", type_=UtcDateTime), bindparam("as_of", type_=UtcDateTime))

_TRAFFIC = text("""
SELECT count(*), COALESCE(sum(sent_bytes), 0), COALESCE(sum(read_requests), 0),
    COALESCE(sum(write_requests), 0)
FROM audio_ops.bucket_traffic WHERE day >= :since AND day < :until
""")


def throughput(
    connection: Connection,
    *,
    since: datetime,
    as_of: datetime,
    distrusted: Collection[str],
    engines: Collection[str] | None = None,
) -> Throughput:
    """Return the throughput of analyses in `(since, as_of]`, UTC.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        since: Exclusive.
        as_of: Inclusive.
        distrusted: Quality rules; messages quarantined by one of them do not count.
        engines: Count only analyses by these engines; None: by all.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = '{MEASUREMENT_TIMEOUT}'"))
    window = {
        "since": since,
        "as_of": as_of,
        "distrusted": list(distrusted),
        "engines": engines and list(engines),
    }
    rows = connection.execute(_ANALYSES, window).all()
    causes = set(FailureCause)
    failures = pl.DataFrame(
        [
            (row.cause if row.cause in causes else UNKNOWN_CAUSE, row.messages)
            for row in rows
            if row.failed
        ],
        FAILURES,
        orient="row",
    )
    done = [row for row in rows if not row.failed]
    return Throughput(
        analyzed=sum(row.messages for row in done),
        failed=int(failures["messages"].sum()),
        audio_hours=sum(int(row.audio_ms) for row in done) / 3_600_000,
        analysis_seconds=sum(int(row.analysis_ms) for row in rows) / 1000,
        failures=failures.group_by("cause")
        .sum()
        .sort("messages", "cause", descending=[True, False]),
    )


def traffic(connection: Connection, *, since: date, until: date) -> tuple[int, int, int, int]:
    """Return days, bytes sent, reads and writes of `[since, until)`, from the access log."""
    days, sent_bytes, reads, writes = connection.execute(
        _TRAFFIC, {"since": since, "until": until}
    ).one()
    return days, int(sent_bytes), int(reads), int(writes)
