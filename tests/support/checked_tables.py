"""Checked tables made by hand, with good rows and whatever is to be wrong with them."""

from contextlib import contextmanager

import sqlalchemy as sa

from schema.states import CheckedTable
from stores.quality import validation
from stores.quality.rules import analysis_rows, message_rows
from stores.quality.rules.catalogue import ROW_RULES
from tests.support.quality import FACTS

MESSAGE_RULES, ANALYSIS_RULES = (
    {rule.name: rule for rule in ROW_RULES if rule.table is table} for table in CheckedTable
)
MESSAGE_COLUMNS = {
    "message_id": "text",
    "audio_processing_state": "text",
    "pronunciation_score": "integer",
    "fluency_score": "integer",
    "speech_rate_wpm": "integer",
    "audio_duration_ms": "integer",
    "audio_size_bytes": "integer",
    "audio_sample_rate": "integer",
    "audio_channels": "integer",
    "audio_format": "text",
    "audio_storage_key": "text",
    "storage_key_bytes": "integer",
    "live_storage_key": "text",
    "audio_retention_expires_at": "timestamp",
    "deleted": "boolean",
    "is_known": "boolean",
    **{rule.name: "text" for rule in message_rows.RULES},
}
ANALYSIS_COLUMNS = {
    "message_id": "text",
    "overall_accuracy_score": "integer",
    "overall_fluency_score": "integer",
    "speech_rate_wpm": "integer",
    "articulation_rate_wpm": "integer",
    "total_speech_duration_ms": "integer",
    "total_pause_duration_ms": "integer",
    "pause_count": "integer",
    "hesitation_count": "integer",
    "average_pause_duration_ms": "integer",
    "longest_pause_duration_ms": "integer",
    "analysis_language": "text",
    "analysis_engine": "text",
    "analysis_error": "text",
    "analysis_duration_ms": "integer",
    **{rule.name: "text" for rule in analysis_rows.RULES},
}
GOOD_MESSAGE = {
    "audio_processing_state": "analyzed",
    "pronunciation_score": 80,
    "fluency_score": 0,
    "speech_rate_wpm": 110,
    "audio_duration_ms": 5000,
    "audio_size_bytes": 240_000,
    "audio_sample_rate": 24_000,
    "audio_channels": 1,
    "audio_format": "pcm16",
    "audio_retention_expires_at": "2025-11-12",
    "deleted": False,
}
GOOD_ANALYSIS = {
    "overall_accuracy_score": 100,
    "overall_fluency_score": 70,
    "speech_rate_wpm": 110,
    "articulation_rate_wpm": 140,
    "total_speech_duration_ms": 4000,
    "total_pause_duration_ms": 1000,
    "pause_count": 2,
    "hesitation_count": 0,
    "average_pause_duration_ms": 500,
    "longest_pause_duration_ms": 600,
    "analysis_language": "en",
    "analysis_engine": "kaiwa",
    "analysis_duration_ms": 130,
}


@contextmanager
def checked_tables(engine):
    """Give a transaction with empty checked tables; it is rolled back in the end."""
    with engine.connect() as connection:
        make_tables(connection)
        yield connection


def make_tables(connection):
    for table, columns in (
        ("checked_message", MESSAGE_COLUMNS),
        ("checked_analysis", ANALYSIS_COLUMNS),
        ("broken", {"message_id": "text", "rule": "text", "observed": "text"}),
    ):
        definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {table} ({definition})")


def validate(connection):
    return validation.validate(connection, FACTS)


def add(connection, table, **columns):
    names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), columns)


def add_message(connection, message_id="m", **columns):
    key = f"audio/u/c/{message_id}.wav"
    row = {"message_id": message_id, "audio_storage_key": key, **GOOD_MESSAGE, **columns}
    if row["audio_storage_key"] is not None:
        row["storage_key_bytes"] = len(row["audio_storage_key"].encode())
    if not row["deleted"]:
        row.setdefault("live_storage_key", row["audio_storage_key"])
    add(connection, "checked_message", **row)


def add_analysis(connection, message_id="m", **columns):
    add(connection, "checked_analysis", message_id=message_id, **GOOD_ANALYSIS | columns)
