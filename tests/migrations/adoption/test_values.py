"""An upgrade loses no value: texts become the numbers that are meant, and the rest is parked."""

import psycopg
import pytest

from migrations import run
from tests.support.app_database import (
    HALF,
    MIGRATION_0023,
    PEOPLE,
    RAW,
    READ,
    TABLES,
    add_texts,
    contents,
    make,
    numbers,
)
from tests.support.app_states import STATES


@pytest.mark.parametrize(
    ("statements", "duration"),
    [((TABLES,), "audio_duration"), (HALF, "audio_duration_ms")],
)
def test_texts_are_read_as_what_is_meant_and_come_back_byte_for_byte(url, statements, duration):
    make(url, *statements)
    add_texts(url, duration)
    before = contents(url)
    done = run.upgrade(url)
    assert numbers(url) == READ
    assert {(one.column, one.shape): (one.count, one.read) for one in done.texts}[
        duration, "clock"
    ] == (1, 1)
    run.rollback(url)
    assert contents(url) == before


def test_every_text_that_is_not_just_its_number_is_kept(url):
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        kept = connection.execute(
            "SELECT message_id, column_name, value FROM audio_ops.parked_text"
        )
        found = {(row[0], row[1]): row[2] for row in kept}
    wanted = {}
    for message_id, (duration, score) in RAW.items():
        read_duration, read_score = READ[message_id]
        if duration is not None and duration != str(read_duration):
            wanted[message_id, "audio_duration_ms"] = duration
        if score is not None and score != str(read_score):
            wanted[message_id, "pronunciation_score"] = score
    assert found == wanted


def test_a_number_written_since_wins_over_the_kept_text(url):
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    make(url, "UPDATE messages SET pronunciation_score = 91 WHERE id IN ('seconds', 'nothing')")
    run.rollback(url)
    scores = {message_id: pair[1] for message_id, pair in numbers(url).items()}
    assert (scores["seconds"], scores["nothing"], scores["clock"]) == ("91", "91", "0.85")


def test_the_old_duration_fills_the_new_one_where_that_is_empty_and_stays(url):
    make(url, *STATES["both names of the duration"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id, audio_duration_ms, audio_duration FROM messages")
        assert {row[0]: row[1:] for row in rows} == {
            "old": (5200, "5.2s"),
            "both": (7000, "5.2s"),
            "odd": (5200, "5.2s"),
            "none": (None, "n/a"),
        }


def test_the_newest_of_several_analyses_stays_and_the_others_are_parked(url):
    make(url, *STATES["analysis without keys, with duplicates and orphans"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        kept = connection.execute(
            "SELECT message_id, overall_accuracy_score FROM message_audio_analysis ORDER BY 1"
        ).fetchall()
        parked = connection.execute(
            "SELECT message_id, document ->> 'message_id', document ->> 'overall_accuracy_score'"
            " FROM audio_ops.parked_analysis ORDER BY 2, 3"
        ).fetchall()
    assert kept == [("a", 80), ("b", None)]
    assert parked == [("a", "a", "70"), ("a", "a", None), (None, "gone", "60")]


def test_an_instant_with_a_zone_keeps_its_moment_in_utc(url):
    make(url, *STATES["columns of other types"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT audio_url_expires_at::text FROM messages").fetchone()
    assert row == ("2025-10-13 12:00:00",)


def test_parked_data_is_restored_even_if_the_app_created_the_columns_itself(url):
    make(url, TABLES, PEOPLE)
    run.upgrade(url)
    make(
        url,
        "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
        " audio_processing_state, audio_channels) VALUES"
        " ('a', 'c1', 'user', 'a', 'audio/a.wav', 'analyzed', 2),"
        " ('b', 'c1', 'user', 'b', 'audio/b.wav', 'analyzed', 2)",
    )
    run.rollback(url)
    make(url, MIGRATION_0023, "UPDATE messages SET audio_storage_key = 'new' WHERE id = 'b'")
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT id, audio_storage_key, audio_processing_state, audio_channels FROM messages"
            " ORDER BY id"
        ).fetchall()
    assert rows == [("a", "audio/a.wav", "analyzed", 2), ("b", "new", "analyzed", 2)]
    assert run.upgrade(url) == run.Upgrade((), (), ())


@pytest.mark.parametrize(
    "key",
    [
        "ADD CONSTRAINT message_audio_analysis_message_id_messages_id_fk"
        " FOREIGN KEY (message_id) REFERENCES messages (id) NOT VALID",
        "ADD CONSTRAINT message_audio_analysis_message_id_unique UNIQUE (message_id, analyzed_at)",
    ],
)
def test_parked_analyses_come_back_where_another_key_of_that_name_stood(url, key):
    make(url, *STATES["analysis without keys, with duplicates and orphans"])
    make(url, f"ALTER TABLE message_audio_analysis {key}")
    before = contents(url)
    run.upgrade(url)
    run.rollback(url)
    assert contents(url) == before
