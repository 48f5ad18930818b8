"""From rows to the report, on real Postgres."""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from policy.costs import BYTES_PER_GB, PriceBookName, prices_of
from policy.forecast import FORECAST
from schema.clock import utc_now
from schema.errors.reporting import NotYetMeasurable, PriceRefused
from schema.states import TransferSource
from tasks.costs.measure_costs import build_report, check_instant, measure, write_metrics

pytestmark = pytest.mark.usefixtures("stage")

AS_OF = datetime(2025, 10, 26, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
MARKED = "SELECT reconstructed, count(DISTINCT day) FROM audio_ops.storage_metric GROUP BY 1"
GROUP = ("group", "objects", "bytes", "audio_minutes", "storage_usd_month")


@pytest.fixture
def add_audio(add_message):
    def _add_audio(days_ago=0, **columns):
        columns = {"audio_size_bytes": BYTES_PER_GB, "audio_duration_ms": 60_000, **columns}
        return add_message(timestamp=AS_OF - days_ago * DAY, **columns)

    return _add_audio


@pytest.fixture
def report():
    def _report(as_of=AS_OF, prices=None, horizon_days=90, transferred_gb_month=None):
        measurement = measure.fn(as_of)
        write_metrics.fn(measurement)
        return build_report.fn(
            measurement,
            prices or prices_of(),
            horizon_days=horizon_days,
            transferred_gb_month=transferred_gb_month,
        )

    return _report


@pytest.fixture
def run_sql(engine):
    def _run_sql(statement):
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement))
            return [tuple(row) for row in result] if result.returns_rows else None

    return _run_sql


def test_an_empty_database_is_a_report_of_zeros(report):
    empty = report()
    assert (empty.objects, empty.bytes, empty.cost.total_usd, empty.active_learners) == (0, 0, 0, 0)
    for name in ("by_tier", "by_language", "by_format", "by_age"):
        assert tuple(getattr(empty, name).columns) == GROUP
        assert getattr(empty, name).is_empty()
    assert empty.forecast.schema == FORECAST
    assert empty.forecast.is_empty()
    assert empty.cost_before is None
    assert empty.crossings[0].expected is None
    assert empty.transfer.source is TransferSource.ESTIMATE


def test_stored_and_deleted_audio_add_up(report, add_audio):
    add_audio(1, audio_retention_expires_at=AS_OF)
    add_audio(2)
    add_audio(3, audio_deleted_at=AS_OF - DAY)
    add_audio(4, audio_size_bytes=None, audio_format=None)
    found = report()
    assert (found.objects, found.bytes, found.unsized_objects) == (3, 2 * BYTES_PER_GB, 1)
    assert (found.grace_bytes, found.avoided_bytes) == (BYTES_PER_GB, BYTES_PER_GB)
    assert (found.audio_minutes, found.active_learners) == (3, 1)
    assert found.cost.storage_usd == pytest.approx(0.04)
    assert found.cost.transfer_usd == pytest.approx(3 * 0.09)
    assert found.kept_everything_usd == pytest.approx(0.06)
    assert found.by_tier.rows() == [("free", 3, 2 * BYTES_PER_GB, 3.0, pytest.approx(0.04))]
    assert found.by_format["group"].to_list() == ["pcm16", "unknown"]


def test_history_and_forecast_are_there_on_the_first_day(report, add_audio, run_sql):
    for days_ago in range(40):
        add_audio(days_ago)
    found = report(horizon_days=30)
    free = found.daily.filter(tier="free")
    assert free["bytes"].to_list() == [BYTES_PER_GB * n for n in range(1, 41)]
    assert free["day"].to_list()[-1] == date(2025, 10, 26)
    assert len(found.forecast) == 30
    assert found.cost_before.storage_usd == pytest.approx(10 * 0.02)
    assert found.cost_before.transfer_usd == pytest.approx(10 * 0.09)
    assert run_sql(MARKED) == [(True, 40)]  # the time itself is long past


@pytest.mark.parametrize(("minutes", "reconstructed"), [(50, False), (70, True)])
def test_a_day_measured_more_than_an_hour_after_its_end_is_reconstructed(
    report, run_sql, minutes, reconstructed
):
    report(as_of=utc_now() - timedelta(minutes=minutes))
    assert run_sql(MARKED) == [(reconstructed, 1)]


def test_audio_that_arrives_late_is_counted_where_it_was_said(report, add_audio, run_sql):
    for days_ago in (25, 26, 27):
        add_audio(days_ago)
    report(as_of=AS_OF - DAY)
    for days_ago in range(1, 21):
        add_audio(days_ago)
    found = report()
    assert found.transfer.month_bytes == 23 * BYTES_PER_GB
    assert found.forecast["expected_bytes"][0] == pytest.approx((23 + 23 / 28) * BYTES_PER_GB)
    assert found.forecast["low_bytes"][0] < found.forecast["high_bytes"][0]
    yesterday = found.daily.filter(tier="free", day=(AS_OF - DAY).date())
    assert yesterday["bytes"].to_list() == [3 * BYTES_PER_GB]  # the earlier measurement is kept


def test_uploads_are_known_after_their_messages_were_deleted(report, add_audio, run_sql):
    for days_ago in (2, 3, 40, 41, 42):
        add_audio(days_ago)
    report(as_of=AS_OF - DAY)
    run_sql("DELETE FROM messages")
    found = report()
    assert found.transfer.month_bytes == 2 * BYTES_PER_GB
    assert found.cost_before.transfer_usd == pytest.approx(3 * 0.09)


def test_a_rerun_changes_nothing(report, add_audio, run_sql):
    add_audio(1)
    rows = "SELECT * FROM audio_ops.storage_metric ORDER BY 1, 2, 3"
    report()
    first = run_sql(rows)
    report()
    assert run_sql(rows) == first


def test_a_past_instant_sees_what_was_there_then_and_leaves_later_days_alone(
    report, add_audio, run_sql
):
    add_audio(3, audio_deleted_at=AS_OF - DAY)
    add_audio(0)
    report()
    today = "SELECT * FROM audio_ops.storage_metric WHERE day = '2025-10-26' ORDER BY 2, 3"
    before = run_sql(today)
    then = report(as_of=AS_OF - 2 * DAY)
    assert (then.objects, then.avoided_bytes) == (1, 0)
    assert then.daily["day"].max() == date(2025, 10, 24)
    assert run_sql(today) == before


def test_an_unknown_tier_is_a_separate_row(
    report, add_audio, add_user, add_subscription, add_conversation
):
    learner = add_user()
    add_subscription(learner, "gold")
    add_audio(conversation_id=add_conversation(user_id=learner))
    assert report().by_tier["group"].to_list() == ["unknown"]


def test_the_access_log_is_scaled_to_a_month_and_a_statement_beats_it(report, run_sql):
    run_sql(
        "INSERT INTO audio_ops.bucket_traffic VALUES"
        f" ('2025-10-25', {BYTES_PER_GB}, 1000, 2000), ('2025-09-25', 5, 5, 5),"
        " ('2025-10-26', 7, 7, 7)"  # not over yet
    )
    found = report(prices=prices_of(PriceBookName.TIGRIS))
    assert found.transfer.source is TransferSource.ACCESS_LOG
    assert found.transfer.month_bytes == 30 * BYTES_PER_GB
    assert found.cost.requests_usd == pytest.approx(30 * (0.0005 + 2 * 0.005))
    assert report(transferred_gb_month=7).transfer.month_bytes == 7 * BYTES_PER_GB


def test_an_invalid_stated_transfer_is_refused(report):
    with pytest.raises(PriceRefused):
        report(transferred_gb_month=float("nan"))


@pytest.mark.parametrize(
    "as_of",
    [
        datetime(2025, 10, 26, 3, 30),  # noqa: DTZ001 - naive
        datetime(2125, 10, 26, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
    ],
)
def test_a_naive_future_or_too_old_instant_is_refused(as_of):
    with pytest.raises(NotYetMeasurable):
        check_instant.fn(as_of)


def test_every_sum_of_the_report_is_a_plain_number(report, add_audio):
    add_audio()
    found = report()
    whole = {"objects", "bytes", "grace_bytes", "avoided_bytes", "unsized_objects"}
    assert {type(getattr(found, f.name)) for f in fields(found) if f.name in whole} == {int}
