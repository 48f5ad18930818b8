"""The sweep's other steps: one run at a time, missing expiries, the alarm; and time zones."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from policy.configuration import DEFAULT_POLICY
from policy.sweep import Fate, SweepRules
from schema.states import UserTier
from tasks.resources import database
from tasks.sweep import sweep_retention
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import (
    OVERDUE_EVENT,
    raise_alarm,
    set_missing_expiries,
    settle_broken_runs,
    sole_sweep,
)
from tests.support.sweeping import DAY, GRACE, is_in_bucket

# One at a time


def test_a_second_sweep_learns_that_it_is_not_alone(stage):
    with sole_sweep() as first, sole_sweep() as second:
        assert (first, second) == (True, False)


@pytest.mark.parametrize("fails", [False, True])
def test_the_lock_is_free_as_soon_as_the_first_ends_even_by_an_error(stage, fails):
    def sweep():
        with sole_sweep() as alone:
            assert alone
            if fails:
                raise KeyError

    if fails:
        with pytest.raises(KeyError):
            sweep()
    else:
        sweep()
    with database.engine().connect() as connection:  # a new session: that one might keep it
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        for _ in range(200):  # the server notices a moment later that the session has ended
            if not connection.scalar(sa.text(locks)):
                break
            connection.execute(sa.text("SELECT pg_sleep(0.02)"))
        assert connection.scalar(sa.text(locks)) == 0


def test_a_second_sweep_that_ends_does_not_free_the_firsts_lock(stage):
    with sole_sweep():
        with sole_sweep() as second:
            assert not second
        with sole_sweep() as third:
            assert not third


# Missing expiries


def test_recordings_without_an_end_get_their_tiers(record, stored):
    ids = {tier: record(tier, audio_retention_expires_at=None) for tier in UserTier}
    assert set_missing_expiries.fn() == len(ids)
    for tier, message_id in ids.items():
        found = stored(message_id)
        period = timedelta(days=DEFAULT_POLICY.retention_days.of(tier))
        assert found.audio_retention_expires_at == found.timestamp + period
        assert not found.audio_deleted_at
        assert is_in_bucket(found.audio_storage_key)
    assert set_missing_expiries.fn() == 0


def test_missing_expiries_are_set_page_by_page_and_an_unknown_tier_blocks_no_others(
    record, stored, add_user, add_subscription, add_conversation, rules, monkeypatch
):
    monkeypatch.setattr(sweep_retention, "ROWS_AT_ONCE", 2)
    learner = add_user()
    add_subscription(learner, current_tier="enterprise")
    conversation = add_conversation(user_id=learner)
    unknown = [record(conversation=conversation, audio_retention_expires_at=None) for _ in range(4)]
    for _ in range(3):
        record(audio_retention_expires_at=None)
    assert set_missing_expiries.fn() == 3
    assert not any(stored(message_id).audio_retention_expires_at for message_id in unknown)
    assert plan_sweep.fn(rules).without_expiry == 4


def test_ends_that_are_set_and_messages_without_audio_are_left_alone(
    record, add_message, stored, now
):
    ended = record()
    text_only = add_message(audio_storage_key=None)
    deleted = record(audio_retention_expires_at=None, audio_deleted_at=now)
    before = [stored(message_id) for message_id in (ended, text_only, deleted)]
    assert set_missing_expiries.fn() == 0
    assert [stored(message_id) for message_id in (ended, text_only, deleted)] == before


def test_setting_missing_expiries_waits_for_no_lock(record, engine):
    busy, _ = (record(audio_retention_expires_at=None) for _ in range(2))
    with engine.connect() as app:
        app.execute(sa.text("UPDATE messages SET content = '' WHERE id = :id"), {"id": busy})
        assert set_missing_expiries.fn() == 1
        app.rollback()
    assert set_missing_expiries.fn() == 1


# Broken runs


def test_all_intents_of_a_broken_run_are_checked_page_by_page(
    record, hold, sweep, rules, before_deleting, entries, monkeypatch
):
    ids = [record() for _ in range(5)]

    def die():
        raise KeyboardInterrupt

    before_deleting(die)
    with pytest.raises(KeyboardInterrupt):
        sweep()
    for message_id in ids[:4]:
        hold(message_id)
    monkeypatch.setattr(sweep_retention, "ROWS_AT_ONCE", 2)
    assert settle_broken_runs.fn(rules) == 4
    assert [state for _, state, _ in entries()] == ["withdrawn"] * 4 + ["intended"]


# The alarm


@pytest.fixture
def events(monkeypatch):
    """Collect emitted events."""
    emitted = []
    monkeypatch.setattr(
        sweep_retention, "emit_event", lambda event, **facts: emitted.append((event, facts))
    )
    return emitted


def test_audio_overdue_for_days_raises_the_alarm(record, rules, events, now):
    record(due_for=4 * DAY)
    record(due_for=2 * DAY)
    record(due_for=5 * DAY, audio=None, audio_storage_key="../x")
    raise_alarm.fn(plan_sweep.fn(rules))
    ((name, facts),) = events
    assert name == OVERDUE_EVENT
    assert facts["resource"]["prefect.resource.id"] == "kaiwa.audio"
    assert facts["payload"] == {
        "overdue": 2,
        "oldest_due_at": (now - 4 * DAY).isoformat(),
        "kept": {Fate.REFUSED_KEY: 1},
    }


def test_audio_that_is_held_or_just_due_raises_no_alarm(record, hold, rules, events):
    record(due_for=2 * DAY)
    hold(record(due_for=90 * DAY))
    raise_alarm.fn(plan_sweep.fn(rules))
    assert events == []


# Time zones


@pytest.fixture
def in_tokyo(stage, administrator, engine):
    """Set the database's default time zone to Tokyo."""
    name = engine.url.database
    administrator.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    administrator.execute("ALTER ROLE CURRENT_USER SET timezone = 'Asia/Tokyo'")
    engine.dispose()
    database.engine().dispose()
    yield
    administrator.execute("ALTER ROLE CURRENT_USER RESET timezone")


def test_a_database_in_tokyo_changes_no_decision(in_tokyo, record, sweep, stored, now):
    due, not_due = record(due_for=timedelta(0)), record(due_for=-timedelta(seconds=1))
    assert sweep().objects == 1
    assert not stored(not_due).audio_deleted_at
    assert abs(stored(due).audio_deleted_at - now) < timedelta(minutes=5)


def test_an_app_session_in_tokyo_and_ours_mean_the_same_instants(
    record, sweep, stored, database_url, now
):
    """The app's columns contain UTC whatever its session's zone: it writes them without a zone."""
    app = sa.create_engine(
        database_url.replace("postgresql:", "postgresql+psycopg:"),
        connect_args={"options": "-c timezone=Asia/Tokyo"},
    )
    due, not_due = record(due_for=-99 * DAY), record(due_for=-99 * DAY)
    ends_at = (now - GRACE).replace(tzinfo=None)
    with app.begin() as connection:
        assert connection.scalar(sa.text("SHOW timezone")) == "Asia/Tokyo"
        for message_id, expiry in ((due, ends_at), (not_due, ends_at + timedelta(seconds=1))):
            connection.execute(
                sa.text(
                    "UPDATE messages SET timestamp = :said_at, audio_retention_expires_at = :expiry"
                    " WHERE id = :id"
                ),
                {"said_at": ends_at - 40 * DAY, "expiry": expiry, "id": message_id},
            )
    assert sweep().objects == 1
    assert stored(due).audio_deleted_at
    with app.connect() as connection:  # the app reads what we wrote as UTC, too
        deleted_at = connection.scalar(
            sa.text("SELECT audio_deleted_at FROM messages WHERE id = :id"), {"id": due}
        )
        clock = connection.scalar(sa.text("SELECT now() AT TIME ZONE 'UTC'"))
    app.dispose()
    assert timedelta(0) <= clock - deleted_at < timedelta(minutes=5)


def test_a_day_on_which_clocks_change_has_24_hours_too(record, sweep, stored):
    """Europe's clocks go forward on 29 March 2026, at 01:00 UTC."""
    ends_at = datetime(2026, 3, 22, 3, tzinfo=UTC)
    message_id = record(timestamp=ends_at - 30 * DAY, audio_retention_expires_at=ends_at)
    early = SweepRules(ends_at + GRACE - timedelta(microseconds=1), GRACE, soft_delete=True)
    assert sweep(rules=early).objects == 0
    assert sweep(rules=SweepRules(ends_at + GRACE, GRACE, soft_delete=True)).objects == 1
    assert stored(message_id).audio_deleted_at
