"""SQL that selects the messages of a backfill, and counts of them.

A backfill selects only messages that the live pipeline has finished (`analyzed`, `failed`): the
newest engine will analyse the others anyway. Like the live pipeline, it selects only learners'
turns in languages that the engine supports.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text

from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillPlan, BackfillRequest, SelectedGroup
from schema.states import AnalysisEngine, BackfillSelection
from schema.tables.base import UtcDateTime
from stores.analysis.leases import PRIMARY_LANGUAGE
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS
from stores.readable import duration_ms, size_bytes

# All our engines have one version. One that is not a dotted number counts as older.
IS_NEWER = r"""coalesce(a.analysis_engine = ANY(:engines) AND CASE
            WHEN a.analysis_version ~ '^[0-9]{1,6}([.][0-9]{1,6}){0,3}$'
            THEN CAST(string_to_array(a.analysis_version, '.') AS integer[])
                > CAST(string_to_array(:version, '.') AS integer[])
            ELSE false END, false)"""
# Written like an `EngineRelease`.
_IS_CURRENT = (
    "coalesce(a.analysis_engine || ' ' || a.analysis_version"
    " || ' (' || a.analysis_model_version || ')' = ANY(:current), false)"
)

CONDITIONS = {
    BackfillSelection.MISSING: "a.message_id IS NULL",
    BackfillSelection.FAILED: (
        "(m.audio_processing_state = 'failed' OR a.analysis_error IS NOT NULL)"
    ),
    BackfillSelection.OUTDATED: (
        f"a.message_id IS NOT NULL AND a.analysis_error IS NULL AND NOT {_IS_CURRENT}"
    ),
    BackfillSelection.QUARANTINED: (
        "EXISTS (SELECT FROM audio_ops.quarantine AS q"
        " WHERE q.message_id = m.id AND q.released_at IS NULL)"
    ),
    BackfillSelection.ALL: "TRUE",
}


def matching(condition: str) -> str:
    """Return a query for the messages that meet a condition, with a column `fate`.

    Only messages with the fate `selected` become part of a backfill.
    """
    return f"""
    SELECT m.id, m.timestamp, {PRIMARY_LANGUAGE} AS language,
        coalesce(a.analysis_engine || ' ' || a.analysis_version, 'none') AS stored,
        coalesce({duration_ms("m.audio_duration_ms")},
            {duration_ms("a.total_speech_duration_ms")}
                + {duration_ms("a.total_pause_duration_ms")},
            0) AS audio_ms,
        coalesce({size_bytes("m.audio_size_bytes")}, 0) AS bytes,
        CASE
            WHEN m.audio_deleted_at IS NOT NULL THEN 'gone'
            WHEN {IS_NEWER} THEN 'newer'
            WHEN EXISTS (
                SELECT FROM audio_ops.backfill_item AS i
                WHERE i.message_id = m.id AND i.engine_version = :engine_version
                    AND (i.outcome IS NULL OR i.outcome = 'analyzed')
            ) THEN 'done'
            WHEN NOT {PRIMARY_LANGUAGE} = ANY(:known_languages) THEN 'unknown'
            ELSE 'selected'
        END AS fate
    FROM messages AS m
    JOIN conversations AS c ON c.id = m.conversation_id
    LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
    WHERE m.audio_storage_key IS NOT NULL AND m.role = 'user'
        AND m.audio_processing_state IN ('analyzed', 'failed')
        AND m.timestamp >= coalesce(:start, CAST('-infinity' AS timestamp))
        AND m.timestamp < coalesce(:end, statement_timestamp() AT TIME ZONE 'UTC')
        AND (:all_languages OR {PRIMARY_LANGUAGE} = ANY(:languages))
        AND (:all_conversations OR m.conversation_id = ANY(:conversation_ids))
        AND (c.user_id IS NULL OR NOT EXISTS (
            SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id
        ))
        AND {condition}"""  # noqa: S608 - our own fragments


WINDOW = (bindparam("start", type_=UtcDateTime), bindparam("end", type_=UtcDateTime))


def _plan(condition: str) -> TextClause:
    return text(f"""
SELECT fate, language, stored, count(*) AS messages, sum(audio_ms) AS audio_ms, sum(bytes) AS bytes
FROM ({matching(condition)}) AS matching
GROUP BY fate, language, stored ORDER BY messages DESC, language, stored
""").bindparams(*WINDOW)  # noqa: S608 - our own fragments


_WINDOW_HAS_RECORDINGS = text("""
SELECT EXISTS (
    SELECT FROM messages AS m
    WHERE (m.audio_storage_key IS NOT NULL OR m.audio_deleted_at IS NOT NULL) AND m.role = 'user'
        AND m.timestamp >= coalesce(:start, CAST('-infinity' AS timestamp))
        AND m.timestamp < coalesce(:end, statement_timestamp() AT TIME ZONE 'UTC')
)
""").bindparams(*WINDOW)
_COUNT_UNKNOWN_CONVERSATIONS = text("""
SELECT count(*) FROM unnest(CAST(:ids AS text[])) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM conversations AS c WHERE c.id = wanted.id)
""")

_PLAN = {kind: _plan(condition) for kind, condition in CONDITIONS.items()}


def plan(
    connection: Connection,
    request: BackfillRequest,
    release: EngineRelease,
    current: Collection[EngineRelease],
    known_languages: Collection[str],
) -> BackfillPlan:
    """Count the messages that a backfill would select without its limit.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        request: Which messages to select.
        release: The engine that would analyse them.
        current: Releases whose analyses are not outdated.
        known_languages: Languages that the engine supports.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    rows = connection.execute(
        _PLAN[request.selection], selection_arguments(request, release, current, known_languages)
    ).all()
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for row in rows:
        counts[row.fate] += row.messages
        if row.fate == "unknown":
            unknown[row.language] += row.messages
    return BackfillPlan(
        groups=tuple(
            SelectedGroup(
                row.language, row.stored, row.messages, int(row.audio_ms) / 1000, int(row.bytes)
            )
            for row in rows
            if row.fate == "selected"
        ),
        gone=counts["gone"],
        newer=counts["newer"],
        done=counts["done"],
        unknown_languages=unknown,
    )


def window_has_recordings(connection: Connection, request: BackfillRequest) -> bool:
    """Return whether learners have sent recordings in the window, deleted ones included.

    Without a window, returns true.
    """
    if request.start is None and request.end is None:
        return True
    window = {"start": request.start, "end": request.end}
    return bool(connection.execute(_WINDOW_HAS_RECORDINGS, window).scalar_one())


def count_unknown_conversations(connection: Connection, request: BackfillRequest) -> int:
    """Count the conversations of the request that do not exist."""
    ids = {"ids": list(request.conversation_ids)}
    return int(connection.execute(_COUNT_UNKNOWN_CONVERSATIONS, ids).scalar_one())


def release_arguments(release: EngineRelease) -> dict[str, Any]:
    """Return the parameters of `IS_NEWER`."""
    return {"engines": [engine.value for engine in AnalysisEngine], "version": release.version}


def selection_arguments(
    request: BackfillRequest,
    release: EngineRelease,
    current: Collection[EngineRelease],
    known_languages: Collection[str],
) -> dict[str, Any]:
    """Return the parameters of a query built by `matching`."""
    return release_arguments(release) | {
        "engine_version": str(release),
        "current": list(map(str, current)),
        "known_languages": list(known_languages),
        "start": request.start,
        "end": request.end,
        "languages": list(request.languages),
        "all_languages": not request.languages,
        "conversation_ids": list(request.conversation_ids),
        "all_conversations": not request.conversation_ids,
    }
