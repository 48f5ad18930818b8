"""The pass over messages, on real Postgres: which count, and their age."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import sqlalchemy as sa

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.costs import metrics
from stores.deletion import learner_messages, ledger

BERLIN = ZoneInfo("Europe/Berlin")
# The day on which clocks in Berlin go back: it has 25 hours there.
AS_OF = datetime(2025, 10, 26, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
ERASURE = DeletionReason.ERASURE
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def add_audio(add_message):
    def _add_audio(ago=timedelta(0), **columns):
        columns = {"audio_size_bytes": 10, "audio_duration_ms": 1000, **columns}
        return add_message(timestamp=AS_OF - ago, **columns)

    return _add_audio


@pytest.fixture
def stock(engine):
    def _stock(as_of=AS_OF):
        with engine.begin() as connection:
            return metrics.stock(connection, as_of=as_of)

    return _stock


@pytest.fixture
def gone(engine):
    def _gone():
        with engine.begin() as connection:
            return metrics.gone(connection, as_of=datetime(2100, 1, 1, tzinfo=UTC))

    return _gone


@pytest.fixture
def delete(engine):
    """Enter a deletion into the ledger, as a sweep does."""

    def _delete(
        message_id,
        key,
        size_bytes=10,
        tier="plus",
        state=DeletionState.DELETED,
        reason=DeletionReason.RETENTION,
    ):
        entry = IntendedDeletion(
            message_id=message_id,
            storage_key=key,
            reason=reason,
            tier=tier,
            size_bytes=size_bytes,
            retention_expires_at=None,
        )
        with engine.begin() as connection:
            ledger.intend(connection, [entry])
            ledger.finish(connection, {key: state})

    return _delete


def test_an_empty_table_has_no_groups_but_all_columns(stock, gone):
    assert stock().schema == metrics.STOCK
    assert stock().is_empty()
    assert gone().schema == metrics.GONE
    assert gone().is_empty()


@pytest.mark.parametrize(
    ("ago", "days"),
    [
        (timedelta(0), 0),
        (DAY - INSTANT, 0),
        (DAY, 1),
        (2 * DAY - INSTANT, 1),
        (30 * DAY, 30),
        (400 * DAY, 400),
        (4000 * DAY, 400),
    ],
)
def test_age_is_counted_in_days_of_24_hours_that_contain_their_end(add_audio, stock, ago, days):
    add_audio(ago)
    assert stock()["said_days"].to_list() == [days]


@pytest.mark.parametrize("hours", [24, 25])
def test_clocks_that_change_make_no_day_longer(add_audio, stock, hours):
    noon = datetime(2025, 10, 26, 12, tzinfo=BERLIN).astimezone(UTC)
    add_audio(AS_OF - (noon - timedelta(hours=hours)))
    assert stock(noon)["said_days"].to_list() == [1]


def test_later_messages_are_left_out_and_later_deletions_ignored(add_audio, stock):
    add_audio(-INSTANT)
    add_audio(DAY, audio_deleted_at=AS_OF + INSTANT)
    add_audio(DAY, audio_deleted_at=AS_OF)
    found = stock().sort("deleted_days", nulls_last=True)
    assert found["deleted_days"].to_list() == [0, None]


def test_text_and_what_was_never_uploaded_do_not_count(add_audio, stock):
    add_audio(audio_storage_key=None)
    add_audio(audio_processing_state="pending")
    add_audio(audio_processing_state="uploading")
    assert stock().is_empty()
    add_audio(audio_processing_state=None)
    assert stock()["objects"].sum() == 1


@pytest.mark.parametrize("size", [None, -5])
def test_an_implausible_size_is_counted_separately(add_audio, stock, size):
    add_audio(audio_size_bytes=size, audio_duration_ms=size)
    add_audio()
    found = stock()
    assert found.select("objects", "bytes", "audio_ms", "unsized").sum().row(0) == (2, 10, 1000, 1)


def test_a_message_that_knows_nothing_of_its_audio_is_counted_all_the_same(add_audio, stock):
    columns = ("audio_size_bytes", "audio_duration_ms", "audio_format", "audio_processing_state")
    add_audio(**dict.fromkeys(columns))
    assert stock().row(0, named=True) == {
        "language": "en",
        "has_user": True,
        "current_tier": None,
        "system": False,
        "format": None,
        "said_days": 0,
        "deleted_days": None,
        "in_grace": False,
        "objects": 1,
        "bytes": 0,
        "audio_ms": 0,
        "unsized": 1,
    }


@pytest.mark.parametrize(
    ("columns", "in_grace"),
    [
        ({"audio_retention_expires_at": AS_OF}, True),
        ({"audio_retention_expires_at": AS_OF + INSTANT}, False),
        ({"audio_retention_expires_at": None}, False),
        ({"audio_retention_expires_at": AS_OF, "audio_deleted_at": AS_OF}, False),
        ({"audio_retention_expires_at": AS_OF, "audio_deleted_at": AS_OF + DAY}, True),
    ],
)
def test_grace_begins_when_retention_is_over(add_audio, stock, columns, in_grace):
    add_audio(**columns)
    assert stock()["in_grace"].to_list() == [in_grace]


def test_owners_are_distinguished(add_audio, add_conversation, add_user, add_subscription, stock):
    add_audio(conversation_id=add_conversation("ja", user_id=None, guest_id="browser"))
    learner = add_user()
    add_subscription(learner, "premium")
    add_subscription(learner, "plus")
    add_audio(conversation_id=add_conversation("fr", user_id=learner))
    add_audio(conversation_id=add_conversation("fr", user_id=learner), role="system")
    stranger = add_user()
    add_subscription(stranger, None)
    add_audio(conversation_id=add_conversation("de", user_id=stranger))
    found = stock().sort("language", "system")
    assert found.select("language", "has_user", "current_tier", "system").rows() == [
        ("de", True, None, False),
        ("fr", True, "plus", False),
        ("fr", True, "plus", True),
        ("ja", False, None, False),
    ]


def test_an_instant_without_end_is_of_the_oldest_day(engine, add_audio, stock):
    add_audio()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE messages SET timestamp = '-infinity'"))
    assert stock()["said_days"].to_list() == [400]


def test_the_ledger_only_adds_what_messages_no_longer_show(add_audio, delete, gone):
    swept = add_audio(audio_deleted_at=AS_OF)
    delete(swept, "audio/1")
    delete(None, "audio/2", size_bytes=20, tier=None)
    delete("vanished", "audio/3", size_bytes=30)
    delete("withdrawn", "audio/4", state=DeletionState.WITHDRAWN)
    found = gone().sort("bytes")
    assert found.select("tier", "objects", "bytes").rows() == [(None, 1, 20), ("plus", 1, 30)]


def test_only_bytes_are_known_of_a_hard_deleted_message(add_audio, delete, gone, stock):
    message = add_audio(
        audio_deleted_at=AS_OF, audio_storage_key=None, audio_size_bytes=None, audio_format=None
    )
    delete(message, "audio/1", size_bytes=None)
    delete(message, "audio/2", size_bytes=30)
    assert gone().select("said_days", "objects", "bytes").rows() == [(400, 0, 30)]
    assert stock().select("objects", "bytes", "deleted_days").rows() == [(1, 0, 0)]


@pytest.mark.parametrize("reason", list(DeletionReason))
def test_deletions_by_retention_are_distinguished_from_erasures_and_orphans(delete, gone, reason):
    delete(None, "audio/1", reason=reason)
    found = gone().select("said_days", "by_retention", "objects").rows()
    assert found == [(None, reason is DeletionReason.RETENTION, 1)]


def test_an_erasure_after_a_sweep_deletes_nothing_again(engine, add_audio, delete, gone, stock):
    swept, live = add_audio(audio_deleted_at=AS_OF), add_audio()
    delete(swept, "audio/1", size_bytes=20)
    learner_ids = [swept, live]
    for message, size in ((swept, 20), (live, 30)):
        delete(message, f"audio/{1 if message == swept else 2}", size, None, reason=ERASURE)
    with engine.begin() as connection:
        learner_messages.confirm(connection, learner_ids)
    found = gone().sort("bytes").select("by_retention", "objects", "bytes")
    assert found.rows() == [(True, 0, 20), (False, 0, 30)]
    assert stock()["objects"].sum() == 2


def test_learners_are_active_who_sent_audio_guests_apart(
    engine, add_audio, add_conversation, add_user
):
    learner = add_user()
    for _ in range(2):
        add_audio(conversation_id=add_conversation(user_id=learner))
    add_audio(DAY, conversation_id=add_conversation(user_id=add_user()))
    add_audio(conversation_id=add_conversation(user_id=None))
    add_audio(conversation_id=add_conversation(user_id=add_user()), role="assistant")
    add_audio(conversation_id=add_conversation(user_id=add_user()), audio_storage_key=None)
    with engine.begin() as connection:
        assert metrics.active_learners(connection, since=AS_OF - DAY, as_of=AS_OF) == 1
        assert metrics.active_learners(connection, since=AS_OF - 2 * DAY, as_of=AS_OF) == 2


def rows_of(day, value, tier="free"):
    return pl.DataFrame([(day, tier, "bytes", value)], metrics.METRICS, orient="row")


@pytest.fixture
def write(engine):
    def _write(*rows, as_of=AS_OF, reconstructed=False):
        with engine.begin() as connection:
            metrics.write(connection, pl.concat(rows), as_of=as_of, reconstructed=reconstructed)
            query = (
                "SELECT day, tier, value, reconstructed FROM audio_ops.storage_metric ORDER BY 1"
            )
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return _write


def test_a_rerun_replaces_the_day_and_what_vanished_with_it(write):
    today = AS_OF.date()
    write(rows_of(today, 1), rows_of(today, 2, "gold"))
    assert write(rows_of(today, 3)) == [(today, "free", 3, False)]


def test_unmeasured_days_are_added_and_marked(write):
    yesterday, today = date(2025, 10, 25), AS_OF.date()
    assert write(rows_of(today, 1), rows_of(yesterday, 2)) == [
        (yesterday, "free", 2, True),
        (today, "free", 1, False),
    ]


def test_a_measured_day_is_not_mixed_with_later_reconstructions(write):
    yesterday, today = date(2025, 10, 25), AS_OF.date()
    write(rows_of(yesterday, 5), as_of=AS_OF - DAY)
    kept = write(rows_of(today, 1), rows_of(yesterday, 2), rows_of(yesterday, 2, "plus"))
    assert kept == [(yesterday, "free", 5, False), (today, "free", 1, False)]


def test_a_later_look_is_marked_and_replaces_no_measured_day(write):
    today = AS_OF.date()
    write(rows_of(today, 1), reconstructed=True)
    assert write(rows_of(today, 2), reconstructed=True) == [(today, "free", 2, True)]
    measured = [(today, "free", 3, False)]
    assert write(rows_of(today, 3)) == measured
    assert write(rows_of(today, 4), reconstructed=True) == measured
