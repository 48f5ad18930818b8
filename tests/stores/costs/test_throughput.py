"""Analyses and traffic, counted on real Postgres."""

from datetime import UTC, date, datetime, timedelta

import pytest

from stores.costs import throughput

AS_OF = datetime(2025, 10, 26, 3, 30, tzinfo=UTC)
SINCE = AS_OF - timedelta(days=30)


@pytest.fixture
def analyse(add_message, run_sql):
    def _analyse(at=AS_OF, error=None, features=None, took_ms=500, speech_ms=3_000_000):
        message = add_message()
        run_sql(
            "INSERT INTO message_audio_analysis (message_id, analyzed_at, analysis_error,"
            " raw_features, analysis_duration_ms, total_speech_duration_ms,"
            " total_pause_duration_ms) VALUES (:message, :at, :error, CAST(:features AS jsonb),"
            " :took_ms, :speech_ms, 600000)",
            message=message,
            at=at.replace(tzinfo=None),
            error=error,
            features=features,
            took_ms=took_ms,
            speech_ms=speech_ms,
        )
        return message

    return _analyse


@pytest.fixture
def measured(engine):
    def _measured(**options):
        with engine.begin() as connection:
            return throughput.throughput(
                connection, since=SINCE, as_of=AS_OF, distrusted=["quick_scores"], **options
            )

    return _measured


def test_nothing_analysed_is_zero(measured):
    found = measured()
    assert (found.analyzed, found.failed, found.audio_hours, found.analysis_seconds) == (0, 0, 0, 0)
    assert found.failures.schema == throughput.FAILURES


def test_analyses_of_the_month_are_added_up(analyse, measured):
    analyse()
    analyse(at=SINCE)
    analyse(at=AS_OF + timedelta(microseconds=1))
    analyse(speech_ms=-5, took_ms=-5)
    analyse(speech_ms=None, took_ms=None)
    analyse(error="There is no speech.", features='{"failure_cause": "no_speech"}', took_ms=250)
    found = measured()
    assert (found.analyzed, found.failed) == (3, 1)
    assert (found.audio_hours, found.analysis_seconds) == (1.0 + 2 / 6, 0.75)


def test_the_pace_of_one_engine_is_measured_alone(analyse, measured, run_sql):
    for engine, took_ms in (("kaiwa", 200), ("kaiwa-large", 700), (None, 100)):
        run_sql(
            "UPDATE message_audio_analysis SET analysis_engine = :engine WHERE message_id = :id",
            engine=engine,
            id=analyse(took_ms=took_ms),
        )
    assert measured(engines=["kaiwa-large"]).analysis_seconds == 0.7
    assert measured().analyzed == 3


@pytest.mark.parametrize(
    "features",
    [None, "null", "[]", '"no_speech"', "7", '{"failure_cause": ["no_speech"]}',
     '{"failure_cause": null}', '{"failure_cause": "what the learner said"}'],
)  # fmt: skip
def test_a_cause_of_another_shape_is_unknown(analyse, measured, features):
    analyse(error="Failed.", features=features)
    assert measured().failures.rows() == [("unknown", 1)]


def test_the_most_frequent_cause_is_first(analyse, measured):
    for cause in ("crashed", "no_speech", "no_speech", "nonsense"):
        analyse(error="Failed.", features=f'{{"failure_cause": "{cause}"}}')
    analyse(error="Failed.")
    assert measured().failures.rows() == [("no_speech", 2), ("unknown", 2), ("crashed", 1)]


def test_quarantined_analyses_are_left_out_until_released(analyse, measured, run_sql):
    analyse()
    distrusted, stale = analyse(), analyse()
    for message, rule in ((distrusted, "quick_scores"), (stale, "url_expiry")):
        run_sql(
            "INSERT INTO audio_ops.quarantine (message_id, rule, observed)"
            " VALUES (:message, :rule, 'seen')",
            message=message,
            rule=rule,
        )
    assert measured().analyzed == 2
    run_sql("UPDATE audio_ops.quarantine SET released_at = now()")
    assert measured().analyzed == 3


def test_traffic_is_of_the_days_from_the_first_up_to_but_not_the_last(engine, run_sql):
    run_sql(
        "INSERT INTO audio_ops.bucket_traffic SELECT day, 10, 2, 1"
        " FROM generate_series(date '2025-10-01', date '2025-10-05', interval '1 day') AS day"
    )
    with engine.begin() as connection:
        found = throughput.traffic(connection, since=date(2025, 10, 2), until=date(2025, 10, 4))
        assert found == (2, 20, 4, 2)
        none = throughput.traffic(connection, since=date(2025, 11, 2), until=date(2025, 11, 4))
        assert none == (0, 0, 0, 0)
