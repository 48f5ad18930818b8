"""A data-quality check under Prefect: findings, quarantine, releases, final state."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.check_quality import check_quality
from schema.errors.reporting import QualityTooLow, UnclearWindow
from schema.states import CheckScope
from stores.quality.rules.catalogue import RULES
from tasks.resources import storage
from tests.support.faulty_bucket import answered

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

EXPIRY = datetime(2026, 10, 13, tzinfo=UTC)


def newest_artifact(key):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created).data


@pytest.fixture(autouse=True)
def reports_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def rows_of(engine):
    """Return the rows of a query."""

    def _rows_of(query):
        with engine.connect() as connection:
            return connection.execute(sa.text(query)).all()

    return _rows_of


@pytest.fixture
def record(add_message, run_sql):
    """Add an analysed message with its object; return the id."""

    def _record(**columns):
        row = {
            "audio_processing_state": "analyzed",
            "audio_size_bytes": 4,
            "audio_duration_ms": 1000,
            "audio_format": "wav",
            "audio_retention_expires_at": EXPIRY,
            "pronunciation_score": 80,
            "fluency_score": 70,
            "speech_rate_wpm": 100,
            **columns,
        }
        message_id = add_message(**row)
        run_sql(
            "INSERT INTO message_audio_analysis (message_id, overall_accuracy_score,"
            " overall_fluency_score, speech_rate_wpm, analysis_language)"
            f" VALUES ('{message_id}', 80, 70, 100, 'en')"
        )
        storage.bucket().put(f"audio/user/conversation/{message_id}.wav", b"data", "audio/wav")
        return message_id

    return _record


@pytest.fixture
def open_cases(rows_of):
    return lambda: {
        (row.message_id, row.rule)
        for row in rows_of(
            "SELECT message_id, rule FROM audio_ops.quarantine WHERE released_at IS NULL"
        )
    }


def broken(report):
    return {result.rule: result.broken for result in report.results if result.broken}


def test_nothing_at_all_is_in_order(reports_dir):
    report = check_quality()
    assert (report.checked, report.failing, broken(report)) == (0, 0, {})
    assert "**Every rule holds.**" in newest_artifact("check-quality")
    assert (reports_dir / "data-docs" / "index.html").exists()


def test_good_rows_pass_and_every_rule_was_evaluated(record):
    for _ in range(3):
        record()
    report = check_quality()
    assert broken(report) == {}
    assert [result.rule for result in report.results] == list(RULES)
    assert all(result.checked in {0, 3} for result in report.results)
    assert report.sampled == 3


def test_a_message_that_breaks_a_rule_is_quarantined_with_its_value_and_fails_the_run(
    record, run_sql, rows_of, open_cases, caplog
):
    good, bad = record(), record()
    run_sql(f"UPDATE messages SET pronunciation_score = 101 WHERE id = '{bad}'")
    with caplog.at_level(logging.WARNING), pytest.raises(QualityTooLow, match="1 of 2 messages"):
        check_quality()
    assert open_cases() == {(bad, "pronunciation_score_range"), (bad, "quick_scores")}
    observed = {row.rule: row.observed for row in rows_of("SELECT * FROM audio_ops.quarantine")}
    assert observed["pronunciation_score_range"] == "pronunciation_score 101"
    assert "analysis 80" in observed["quick_scores"]
    page = newest_artifact("check-quality")
    assert f'quick_scores: "{bad}"' in page
    assert good not in page
    assert "rows breaks quick_scores" in caplog.text
    # It never repairs.
    (row,) = rows_of(f"SELECT pronunciation_score FROM messages WHERE id = '{bad}'")
    assert row.pronunciation_score == 101


def test_a_case_is_closed_when_its_rule_holds_again(record, run_sql, open_cases):
    bad = record(pronunciation_score=-1)
    with pytest.raises(QualityTooLow):
        check_quality()
    run_sql(f"UPDATE messages SET pronunciation_score = 80 WHERE id = '{bad}'")
    report = check_quality()
    assert report.released == 2
    assert open_cases() == set()


def test_below_the_allowed_share_the_run_succeeds_and_reports_everything(record, open_cases):
    bad = record(fluency_score=101)
    record()
    report = check_quality(fail_above_percent=50)
    assert report.failing == 1
    assert (bad, "fluency_score_range") in open_cases()
    assert "the limit is 50 %" in newest_artifact("check-quality")


def test_the_next_check_looks_at_what_has_changed_alone(record, run_sql):
    first, _ = record(), record()
    assert check_quality().checked == 2
    assert check_quality().checked == 0
    run_sql(f"UPDATE messages SET audio_channels = 1 WHERE id = '{first}'")
    assert check_quality().checked == 1
    assert check_quality(CheckScope.EVERYTHING).checked == 2


def test_a_known_unchanged_case_fails_no_later_check(record, run_sql, open_cases):
    bad = record(pronunciation_score=101)
    with pytest.raises(QualityTooLow):
        check_quality()
    report = check_quality()
    assert (report.checked, report.failing, broken(report)["quick_scores"]) == (0, 0, 1)
    assert (bad, "quick_scores") in open_cases()
    run_sql(f"UPDATE messages SET pronunciation_score = 102 WHERE id = '{bad}'")
    with pytest.raises(QualityTooLow, match="1 of 1 message breaks"):
        check_quality()


def test_the_sample_is_judged_by_itself(record):
    for _ in range(30):
        record()
    storage.bucket().delete_many([f"audio/user/conversation/message-{n}.wav" for n in range(30)])
    with pytest.raises(QualityTooLow, match=r"0 of 30 messages break .* lacks 5 of 5 sampled"):
        check_quality(bucket_sample=5, fail_above_percent=50)


def test_a_score_without_a_recording_is_checked_too(add_message, open_cases):
    text = add_message(
        audio_storage_key=None, audio_processing_state="pending", pronunciation_score=150
    )
    with pytest.raises(QualityTooLow):
        check_quality()
    assert (text, "pronunciation_score_range") in open_cases()


def test_a_foreign_table_stays(record, run_sql, rows_of):
    record()
    run_sql("CREATE TABLE public.broken AS SELECT 1 AS precious")
    check_quality()
    assert rows_of("SELECT * FROM public.broken") == [(1,)]
    assert rows_of("SELECT * FROM pg_class WHERE relname = 'checked_message'") == []


def test_a_locked_message_stays_in_quarantine_and_the_check_continues(
    record, run_sql, engine, open_cases
):
    bad = record(pronunciation_score=-1)
    with pytest.raises(QualityTooLow):
        check_quality()
    run_sql(f"UPDATE messages SET pronunciation_score = 80 WHERE id = '{bad}'")
    with engine.begin() as app:
        app.execute(sa.text(f"SELECT FROM messages WHERE id = '{bad}' FOR UPDATE"))
        assert check_quality().released == 0
    assert open_cases() != set()
    assert check_quality().released == 2


def test_a_window_is_half_open(record):
    said = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(3):
        record(timestamp=said + timedelta(days=day))
    report = check_quality(
        CheckScope.WINDOW, since=said, until=said + timedelta(days=2), fail_above_percent=100
    )
    assert report.checked == 2


def test_a_window_without_a_beginning_is_refused_before_anything_is_written(rows_of):
    with pytest.raises(UnclearWindow):
        check_quality(CheckScope.WINDOW)
    assert rows_of("SELECT * FROM audio_ops.quality_check") == []


def test_a_missing_or_differing_recording_is_quarantined_and_released(record, run_sql, open_cases):
    lost, cut = record(), record(audio_size_bytes=5)
    storage.bucket().delete_many([f"audio/user/conversation/{lost}.wav"])
    with pytest.raises(QualityTooLow):
        check_quality()
    assert open_cases() == {(lost, "object_in_bucket"), (cut, "object_size")}
    storage.bucket().put(f"audio/user/conversation/{lost}.wav", b"data", "audio/wav")
    storage.bucket().put(f"audio/user/conversation/{cut}.wav", b"data!", "audio/wav")
    assert check_quality(bucket_sample=2).released == 2
    assert open_cases() == set()


def test_an_unreachable_bucket_fails_the_run_after_everything_else_is_written(
    record, faulty_bucket, open_cases
):
    bad = record(pronunciation_score=101)
    faulty_bucket.on("HeadObject", answered(503, "SlowDown"), times=100)
    with pytest.raises(QualityTooLow, match="could not be sampled"):
        check_quality(fail_above_percent=100)
    assert (bad, "quick_scores") in open_cases()


def test_history_is_kept_and_shown(record, rows_of):
    record(pronunciation_score=101)
    for _ in range(2):
        with pytest.raises(QualityTooLow):
            check_quality(CheckScope.EVERYTHING)
    rows = rows_of("SELECT * FROM audio_ops.quality_result WHERE rule = 'quick_scores'")
    assert [row.broken for row in rows] == [1, 1]
    page = newest_artifact("check-quality")
    assert "| **fails** | 1 | 1 | 1 |" in page
