"""Freeze a backfill: write its selection to `audio_ops.backfill_item`, page by page."""

from collections.abc import Collection

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.facts.analysis import EngineRelease
from schema.tables.base import UtcDateTime
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS, request_from_json
from stores.backfill.selection import CONDITIONS, WINDOW, matching, selection_arguments


def _freeze(condition: str, *, newest_first: bool) -> TextClause:
    # Item ids follow the order of the rows. Keyset pages keep each transaction short, because its
    # foreign keys lock the messages against deletion by the app.
    beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
    return text(f"""
WITH page AS MATERIALIZED (
    SELECT id, timestamp, language FROM ({matching(condition)}) AS matching
    WHERE fate = 'selected' AND (timestamp, id) {beyond} (CAST(:to_timestamp AS timestamp), :to_id)
    ORDER BY timestamp {direction}, id {direction}
    LIMIT :limit
), added AS (
    INSERT INTO audio_ops.backfill_item
        (backfill_id, message_id, engine_version, language, is_canary)
    SELECT :backfill_id, id, :engine_version, language, false
    FROM page ORDER BY timestamp {direction}, id {direction}
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM page) AS found, (SELECT count(*) FROM added) AS added, (
    SELECT jsonb_build_object('timestamp', CAST(timestamp AS text), 'id', id)
    FROM page ORDER BY timestamp {"ASC" if newest_first else "DESC"},
        id {"ASC" if newest_first else "DESC"} LIMIT 1
) AS last
""").bindparams(*WINDOW)  # noqa: S608 - our own fragments


_FREEZE = {
    (kind, newest_first): _freeze(condition, newest_first=newest_first)
    for kind, condition in CONDITIONS.items()
    for newest_first in (True, False)
}
_START = {True: {"timestamp": "infinity", "id": ""}, False: {"timestamp": "-infinity", "id": ""}}

_LOCK = text("""
SELECT frozen_at IS NOT NULL AS frozen, frozen_to, selected, selection,
    created_at AT TIME ZONE 'UTC' AS created_at
FROM audio_ops.backfill WHERE id = :id FOR UPDATE
""").columns(created_at=UtcDateTime)
_FROZEN_TO = text("""
UPDATE audio_ops.backfill SET frozen_to = :frozen_to, selected = selected + :added WHERE id = :id
""").bindparams(bindparam("frozen_to", type_=JSONB))
# Pseudo-random; messages with a score to compare come first.
_DRAW_SAMPLE = text("""
UPDATE audio_ops.backfill_item AS i SET is_canary = true
FROM (
    SELECT drawn.id
    FROM audio_ops.backfill_item AS drawn
    LEFT JOIN message_audio_analysis AS a ON a.message_id = drawn.message_id
    WHERE drawn.backfill_id = :id
    ORDER BY (a.overall_accuracy_score IS NOT NULL) DESC, md5(drawn.message_id), drawn.id
    LIMIT :canary_size
) AS sample
WHERE i.id = sample.id
""")
_FROZEN = text("UPDATE audio_ops.backfill SET frozen_at = statement_timestamp() WHERE id = :id")


def freeze_page(
    connection: Connection,
    backfill_id: int,
    release: EngineRelease,
    current: Collection[EngineRelease],
    known_languages: Collection[str],
    *,
    limit: int,
) -> bool:
    """Select the next messages of a backfill; return whether there may be more.

    Runs that freeze the same backfill at once take turns. The last page also draws the first
    sample and makes the backfill claimable.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        backfill_id: The backfill.
        release: The one passed to `begin`.
        current: Releases whose analyses are not outdated.
        known_languages: Languages that the engine supports.
        limit: Maximum number of messages.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    now = connection.execute(_LOCK, {"id": backfill_id}).one()
    if now.frozen:
        return False
    request = request_from_json(now.selection)
    start = now.frozen_to or _START[request.newest_first]
    left = limit if request.limit is None else min(limit, request.limit - now.selected)
    arguments = selection_arguments(request, release, current, known_languages) | {
        "end": request.end or now.created_at,
        "backfill_id": backfill_id,
        "to_timestamp": start["timestamp"],
        "to_id": start["id"],
        "limit": left,
    }
    page = connection.execute(_FREEZE[request.selection, request.newest_first], arguments).one()
    if page.found:
        taken = {"id": backfill_id, "frozen_to": page.last, "added": page.added}
        connection.execute(_FROZEN_TO, taken)
    if page.found == limit:
        return True
    if page.found and request.limit is not None and now.selected + page.added < request.limit:
        return True  # another backfill has some of them: select replacements
    sample = {"id": backfill_id, "canary_size": request.canary_size}
    connection.execute(_DRAW_SAMPLE, sample)
    connection.execute(_FROZEN, {"id": backfill_id})
    return False
