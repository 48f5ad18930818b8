import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError, StatementError

from schema.documents import AnalysisRecord, PhonemeAnalysis, ProblematicWord, SpeechTiming
from schema.facts.analysis import AnalysisSummary
from schema.tables.analysis import MessageAudioAnalysis
from schema.tables.app import Message
from schema.tables.operations import AnalysisHistory
from stores.analysis import analyses
from stores.deletion import erasure
from tests.support.sessions import wait_for_a_blocked_session

ANALYZED_AT = datetime(2025, 10, 14, 3, tzinfo=UTC)


def full(message_id, **changes):
    """The app's example, with every column filled."""
    columns = {
        "message_id": message_id,
        "analyzed_at": ANALYZED_AT,
        "analysis_version": "2.0",
        "overall_accuracy_score": 85,
        "overall_fluency_score": 78,
        "speech_rate_wpm": 145,
        "articulation_rate_wpm": 162,
        "total_speech_duration_ms": 4100,
        "total_pause_duration_ms": 900,
        "pause_count": 3,
        "hesitation_count": 1,
        "average_pause_duration_ms": 300,
        "longest_pause_duration_ms": 500,
        "speech_timings": (
            SpeechTiming(
                word="hello", start_ms=0, end_ms=500, char_start=0, char_end=5, confidence=0.98
            ),
            SpeechTiming(
                word="world", start_ms=600, end_ms=1100.5, char_start=6, char_end=11, is_pause=False
            ),
        ),
        "phoneme_analysis": (
            PhonemeAnalysis(
                phoneme="ɹ", word="world", accuracy_score=41.5, start_ms=600, end_ms=700
            ),
        ),
        "problematic_words": (
            ProblematicWord(word="world", issue="r", severity="low", start_ms=600, end_ms=1100),
        ),
        "recommendations": ("Practice the 'r' sound in 'world'",),
        "practice_words": ("world",),
        "raw_alignment": {"phones": [["HH", 0.0, 0.1]], "beam": None},
        "raw_features": {"snr_db": 21.5},
        "analysis_engine": "pocketsphinx",
        "analysis_model_version": "en-us",
        "analysis_language": "en",
        "analysis_duration_ms": 2340,
        "analysis_warnings": ("noisy",),
    }
    return AnalysisRecord(**(columns | changes))


def failed(message_id, **changes):
    return AnalysisRecord(
        message_id=message_id, analyzed_at=ANALYZED_AT, analysis_error="No speech.", **changes
    )


def history(connection):
    columns = (AnalysisHistory.message_id, AnalysisHistory.analysis_version)
    return [tuple(row) for row in connection.execute(sa.select(*columns).order_by("id"))]


def test_a_written_analysis_can_be_read(connection, add_message):
    record = full(add_message())
    assert analyses.upsert(connection, [record]) == 1
    assert analyses.get_by_message(connection, record.message_id) == record


def test_a_record_without_measures_is_read_again(connection, add_message):
    record = failed(add_message())
    analyses.upsert(connection, [record])
    assert analyses.get_by_message(connection, record.message_id) == record


def test_the_app_reads_its_keys_and_absent_ones_are_absent(connection, add_message):
    record = full(add_message())
    analyses.upsert(connection, [record])
    stored = connection.execute(
        sa.text("SELECT speech_timings->0 AS timing, problematic_words FROM message_audio_analysis")
    ).one()
    assert stored.timing == {
        "word": "hello",
        "startMs": 0,
        "endMs": 500,
        "charStart": 0,
        "charEnd": 5,
        "confidence": 0.98,
    }
    assert stored.problematic_words == [
        {"word": "world", "issue": "r", "severity": "low", "startMs": 600, "endMs": 1100}
    ]


def test_empty_columns_are_sql_null_not_json_null(connection, add_message):
    analyses.upsert(connection, [failed(add_message())])
    nulls = connection.scalar(
        sa.text(
            "SELECT num_nulls(speech_timings, phoneme_analysis, problematic_words, recommendations,"
            " practice_words, raw_alignment, raw_features, analysis_warnings)"
            " FROM message_audio_analysis"
        )
    )
    assert nulls == 8


def test_creating_a_second_analysis_is_refused(connection, add_message):
    record = full(add_message())
    analyses.create(connection, record)
    with pytest.raises(IntegrityError):
        analyses.create(connection, record)


def test_overwriting_keeps_what_the_old_one_said(connection, add_message):
    message_id = add_message()
    analyses.upsert(connection, [full(message_id)])
    newer = full(message_id, analysis_version="3.0", overall_accuracy_score=90)
    analyses.upsert(connection, [newer])
    assert analyses.get_by_message(connection, message_id) == newer
    (old,) = connection.execute(sa.select(AnalysisHistory.__table__)).all()
    assert (old.message_id, old.analyzed_at) == (message_id, ANALYZED_AT)
    assert (old.overall_accuracy_score, old.overall_fluency_score) == (85, 78)
    assert (old.analysis_engine, old.analysis_version) == ("pocketsphinx", "2.0")
    assert (old.analysis_model_version, old.analysis_language) == ("en-us", "en")


def test_the_id_of_an_analysis_stays_when_it_is_overwritten(connection, add_message):
    message_id = add_message()
    analyses.upsert(connection, [full(message_id)])
    first = connection.scalar(sa.select(MessageAudioAnalysis.id))
    analyses.upsert(connection, [full(message_id, pause_count=9)])
    assert connection.scalar(sa.select(MessageAudioAnalysis.id)) == first


def test_a_failure_never_overwrites_an_analysis_that_worked(connection, add_message):
    good = full(add_message())
    analyses.upsert(connection, [good])
    analyses.upsert(connection, [failed(good.message_id)])
    assert analyses.get_by_message(connection, good.message_id) == good
    assert history(connection) == []


@pytest.mark.parametrize("newer", [full, failed])
def test_a_failure_is_overwritten_by_anything_newer(connection, add_message, newer):
    message_id = add_message()
    analyses.upsert(connection, [failed(message_id, analysis_version="1.1")])
    record = newer(message_id, analysis_version="1.2")
    analyses.upsert(connection, [record])
    assert analyses.get_by_message(connection, message_id) == record
    assert history(connection) == [(message_id, "1.1")]


def test_the_analysis_of_a_deleted_message_is_dropped(connection, engine, add_message):
    kept, deleted = full(add_message()), full(add_message())
    with engine.begin() as app:
        app.execute(sa.delete(Message).where(Message.id == deleted.message_id))
    assert analyses.upsert(connection, [kept, deleted]) == 1
    assert set(analyses.get_many(connection, [kept.message_id, deleted.message_id])) == {
        kept.message_id
    }


def test_the_analysis_of_an_erased_learners_message_is_dropped(
    connection, add_message, add_conversation, add_user
):
    user_id = add_user()
    gone = add_message(conversation_id=add_conversation(user_id=user_id))
    kept = add_message(conversation_id=add_conversation(user_id=None, guest_id="browser"))
    erasure.begin(connection, user_id, "request 7")
    assert analyses.upsert(connection, [full(gone), full(kept)]) == 1
    assert analyses.get_many(connection, [gone, kept]).keys() == {kept}


def test_an_analysis_that_waits_for_an_erasure_is_dropped(
    engine, add_message, add_user, add_conversation
):
    user_id = add_user()
    message_id = add_message(conversation_id=add_conversation(user_id=user_id))

    def write():
        with engine.begin() as connection:
            return analyses.upsert(connection, [full(message_id)])

    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as eraser:
            lock = sa.text("SELECT FROM messages WHERE id = :id FOR NO KEY UPDATE")
            eraser.execute(lock, {"id": message_id})
            writer = threads.submit(write)
            wait_for_a_blocked_session(engine)  # its snapshot is older than the tombstone
            erasure.begin(eraser, user_id, "request 7")
        assert writer.result(timeout=30) == 0


def test_writing_nothing_is_fine(connection):
    assert analyses.upsert(connection, []) == 0


def test_two_writers_of_one_message_lose_no_history(engine, add_message):
    message_id = add_message()
    started = threading.Barrier(4)

    def write(version):
        started.wait()
        with engine.begin() as connection:
            analyses.upsert(connection, [full(message_id, analysis_version=version)])

    versions = ["a", "b", "c", "d"]
    threads = [threading.Thread(target=write, args=[version]) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        last = analyses.get_by_message(connection, message_id).analysis_version
        kept = [version for _, version in history(connection)]
    assert sorted([*kept, last]) == versions


def test_writers_of_the_same_messages_in_opposite_order_do_not_deadlock(engine, add_message):
    records = [full(add_message()) for _ in range(30)]

    def write(order):
        for _ in range(5):
            with engine.begin() as connection:
                analyses.upsert(connection, order)

    threads = [threading.Thread(target=write, args=[o]) for o in (records, records[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert len(history(connection)) == 9 * 30


def test_many_are_read_at_once_and_missing_ones_are_missing(connection, add_message):
    first, second, bare = full(add_message()), failed(add_message()), add_message()
    analyses.upsert(connection, [first, second])
    assert analyses.get_many(connection, [first.message_id, second.message_id, bare]) == {
        first.message_id: first,
        second.message_id: second,
    }
    assert analyses.get_many(connection, []) == {}


def test_the_summary_is_the_light_columns_alone(connection, add_message):
    record = full(add_message())
    analyses.upsert(connection, [record])
    statements = []
    sa.event.listen(
        connection, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    assert analyses.summary(connection, record.message_id) == AnalysisSummary(85, 78, 145, 3, 1)
    assert len(statements) == 1
    assert "speech_timings" not in statements[0]
    assert "raw_" not in statements[0]


def test_missing_objects_are_none_or_false(connection, add_message):
    message_id = add_message()
    assert analyses.get_by_message(connection, message_id) is None
    assert analyses.summary(connection, message_id) is None
    assert not analyses.exists(connection, message_id)
    assert not analyses.delete(connection, message_id)
    assert not analyses.update(connection, message_id, {"pause_count": 1})


def test_updating_changes_the_named_columns_alone(connection, add_message):
    record = full(add_message())
    analyses.upsert(connection, [record])
    timings = [{"word": "hi", "startMs": 0, "endMs": 1, "charStart": 0, "charEnd": 2}]
    changes = {"pause_count": 7, "speech_timings": timings, "analysis_error": None}
    assert analyses.update(connection, record.message_id, changes)
    expected = AnalysisRecord.model_validate(dict(record) | changes)
    assert analyses.get_by_message(connection, record.message_id) == expected


@pytest.mark.parametrize(
    "changes", [{"overall_fluency_score": 101}, {"no_such_column": 1}, {"pause_count": -1}], ids=str
)
def test_an_update_that_breaks_the_shapes_is_refused(connection, add_message, changes):
    record = full(add_message())
    analyses.upsert(connection, [record])
    with pytest.raises(ValidationError):
        analyses.update(connection, record.message_id, changes)


def test_deleted_objects_no_longer_exist(connection, add_message):
    record = full(add_message())
    analyses.upsert(connection, [record])
    assert analyses.exists(connection, record.message_id)
    assert analyses.delete(connection, record.message_id)
    assert not analyses.exists(connection, record.message_id)


def test_a_document_is_checked_even_when_written_past_the_record(connection, add_message):
    wrong = [{"word": "a", "startMs": 5, "endMs": 1, "charStart": 0, "charEnd": 1}]
    insert = sa.insert(MessageAudioAnalysis)
    with pytest.raises((StatementError, ValidationError), match="1 validation error"):
        connection.execute(insert, {"message_id": add_message(), "speech_timings": wrong})


def test_times_are_stored_in_utc(database_url, connection, add_message):
    tokyo = ANALYZED_AT.astimezone(tz=datetime.fromisoformat("2025-01-01T00+09:00").tzinfo)
    analyses.upsert(connection, [full(add_message(), analyzed_at=tokyo)])
    connection.commit()
    with psycopg.connect(database_url) as reader:
        stored = reader.execute("SELECT analyzed_at FROM message_audio_analysis").fetchone()
    assert stored == (ANALYZED_AT.replace(tzinfo=None),)
    assert tokyo.utcoffset() == timedelta(hours=9)
