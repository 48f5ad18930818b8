"""Compare restoring scores that the app emptied with one bare UPDATE of the same rows.

    python benchmarks/put_back.py [--rows 1000000] [--smoke] [--json]

Every message is analysed, and every hundredth was saved again by the app. A pass restores the
scores page by page, by the task function of `analyze-messages`; passes that find nothing follow.
The peer is one UPDATE with given ids, on clones of the same database, before and after.

The alternative would be a trigger. So the app's own statement is timed as well, row by row:
unchanged, with the index that the pass needs, and with a trigger that keeps the score. These take
turns on clones, with different rows.
"""

import os
import statistics
import time

import sqlalchemy as sa

from benchmarks import frame, servers
from benchmarks.sweep_tables import make_database
from local.postgres import PostgresServer
from stores.database import connect
from tasks.analysis.analyze_messages import put_back_scores
from tasks.resources import database as database_resources

EACH, IDLE_PASSES, ROUNDS = 100, 30, 6

_FILL = (
    "INSERT INTO users (email) VALUES ('learner@example.org')",
    """
INSERT INTO conversations (id, user_id, target_language_id)
SELECT 'c' || n, users.id, 'en' FROM users, generate_series(0, {rows} / 20) AS n
""",
    """
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_storage_key,
    audio_duration_ms, audio_size_bytes, audio_processing_state, audio_retention_expires_at,
    pronunciation_score, fluency_score, speech_rate_wpm)
SELECT md5('m' || n), 'c' || n / 20, 'user', 'Could you say that once more, please?',
    timestamp '2025-01-01' + n * interval '2 seconds', 'audio/u/c/' || n || '.wav', 5000, 240000,
    'analyzed', timestamp '2025-04-01' + n * interval '2 seconds', mod(n, 101), 70, 110
FROM generate_series(0, {rows} - 1) AS n
""",
    """
INSERT INTO message_audio_analysis (message_id, analysis_version, overall_accuracy_score,
    overall_fluency_score, speech_rate_wpm)
SELECT id, '2.0', pronunciation_score, fluency_score, speech_rate_wpm FROM messages
""",
)
_EMPTIED = "SELECT md5('m' || n) FROM generate_series(0, {rows} - 1, {each}) AS n"
_EMPTY = "UPDATE messages SET pronunciation_score = NULL WHERE id IN ({emptied})"
_BARE = """
UPDATE messages AS m SET pronunciation_score = a.overall_accuracy_score
FROM message_audio_analysis AS a
WHERE m.id = ANY(ARRAY({emptied})) AND a.message_id = m.id
"""
_SAVE_AGAIN = sa.text("""
INSERT INTO messages (id, conversation_id, role, content)
VALUES (md5('m' || :number), 'c0', 'user', 'Could you say that once more, please?')
ON CONFLICT (id) DO UPDATE
SET role = excluded.role, content = excluded.content, pronunciation_score = NULL, audio_url = NULL
""")
_WITHOUT_INDEX = "DROP INDEX audio_ops_messages_overwritten_idx"
_TRIGGER = """
CREATE FUNCTION audio_ops.keep_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT overall_accuracy_score INTO NEW.pronunciation_score
    FROM message_audio_analysis WHERE message_id = NEW.id AND analysis_error IS NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_score BEFORE UPDATE OF pronunciation_score ON messages FOR EACH ROW
WHEN (NEW.pronunciation_score IS NULL AND NEW.audio_processing_state = 'analyzed'
    AND NEW.fluency_score IS NOT NULL)
EXECUTE FUNCTION audio_ops.keep_score()
"""


def measure(rows: int, saved: int) -> frame.Figures:
    """Return the figures of passes and of saving again."""
    with servers.postgres(servers.WITHOUT_DISK | servers.QUIET) as server:
        fill = (statement.format(rows=rows) for statement in _FILL)
        make_database(server, "whole", *fill)
        saving = _saving(server, saved)
        emptied = _EMPTIED.format(rows=rows, each=EACH)
        _execute(server, "whole", _EMPTY.format(emptied=emptied), "VACUUM ANALYZE messages")
        putting_back = _putting_back(server, emptied, -(-rows // EACH))
    return {"rows": rows, "emptied": -(-rows // EACH)} | putting_back | saving


def _putting_back(server: PostgresServer, emptied: str, expected: int) -> dict[str, float]:
    bare = _BARE.format(emptied=emptied)
    before = _execute(server, _clone(server, "before"), bare)
    os.environ["DATABASE_URL"] = server.url(_clone(server, "passed"))  # noqa: TID251 - for the task
    passes = [_pass(expected), *(_pass(0) for _ in range(IDLE_PASSES))]
    database_resources.engine().dispose()
    after = _execute(server, _clone(server, "after"), bare)
    bare_seconds = statistics.mean([before, after])
    return {
        "bare_update_seconds": bare_seconds,
        "pass_seconds": passes[0],
        "ratio_to_bare_update": passes[0] / bare_seconds,
        "idle_pass_ms": 1000 * statistics.median(passes[1:]),
    }


def _pass(expected: int) -> float:
    started = time.perf_counter()
    put_back = put_back_scores.fn()
    seconds = time.perf_counter() - started
    if put_back != expected:
        message = f"{put_back} scores were restored instead of {expected}."
        raise RuntimeError(message)
    return seconds


def _saving(server: PostgresServer, saved: int) -> dict[str, float]:
    """Time the app's repeated saving, in microseconds per row."""
    names = ("as_it_was", "with_index", "with_trigger")
    for name in names:
        _clone(server, name)
    _execute(server, "as_it_was", _WITHOUT_INDEX)
    _execute(server, "with_trigger", _WITHOUT_INDEX, _TRIGGER)
    engines = {name: connect(server.url(name)) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for first in range(0, ROUNDS * saved, saved):
        for name, engine in engines.items():
            started = time.perf_counter()
            with engine.begin() as connection:
                for number in range(first, first + saved):
                    connection.execute(_SAVE_AGAIN, {"number": number})
            times[name].append((time.perf_counter() - started) / saved)
    for engine in engines.values():
        engine.dispose()
    median = {name: 1e6 * statistics.median(measured) for name, measured in times.items()}
    return {
        **{f"saving_us_{name}": us for name, us in median.items()},
        "saving_ratio_with_index": median["with_index"] / median["as_it_was"],
        "saving_ratio_with_trigger": median["with_trigger"] / median["as_it_was"],
    }


def _clone(server: PostgresServer, name: str) -> str:
    _execute(server, "postgres", f"CREATE DATABASE {name} TEMPLATE whole STRATEGY FILE_COPY")
    return name


def _execute(server: PostgresServer, database: str, *statements: str) -> float:
    """Execute statements, each committed; return the seconds they took."""
    engine = connect(server.url(database))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        started = time.perf_counter()
        for statement in statements:
            connection.exec_driver_sql(statement)
        seconds = time.perf_counter() - started
    engine.dispose()
    return seconds


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "rows": frame.Size(1_000_000, smoke=2_000, help="messages in the table"),
            "saved": frame.Size(5_000, smoke=50, help="rows that the app saves in a transaction"),
        },
    )
