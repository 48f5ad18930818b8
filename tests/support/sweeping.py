"""Fixtures: recordings of learners of every tier, in Postgres and in the bucket."""

from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
import sqlalchemy as sa

from policy.configuration import DEFAULT_POLICY
from policy.sweep import SweepRules
from schema.clock import utc_now
from schema.states import HoldScope, UserTier
from schema.tables.deletion import OrphanObject
from stores.analysis import messages
from stores.deletion import holds, ledger
from tasks.resources import storage
from tasks.sweep import orphans, recordings
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import SweepCursor, settle_broken_runs, sweep_chunk

DAY = timedelta(days=1)
GRACE = timedelta(days=DEFAULT_POLICY.cleanup.grace_period_days)
AUDIO = b"RIFF" + bytes(996)
_ENTRIES = sa.text("SELECT reason, state, message_id FROM audio_ops.deletion_ledger ORDER BY id")


@pytest.fixture
def now():
    """The machine's time, as a run reads it; whole seconds compare easily with columns."""
    return utc_now().replace(microsecond=0)


@pytest.fixture
def rules(now):
    return SweepRules(now, GRACE, soft_delete=True)


@pytest.fixture
def record(stage, now, add_user, add_subscription, add_conversation, add_message):
    """Record a message with its object; by default a free learner's that is just due.

    Args: the owner's tier, how long its deletion has been due (negative: still to come), and
    columns of `messages`; `audio=None` uploads nothing. Returns the message's id.
    """
    numbers = count()
    conversations = {}

    def _record(tier=UserTier.FREE, due_for=DAY, *, audio=AUDIO, conversation=None, **columns):
        if conversation is None:
            if tier not in conversations:
                conversations[tier] = _conversation(tier)
            conversation = conversations[tier]
        expires_at = now - due_for - GRACE
        said_at = expires_at - timedelta(days=DEFAULT_POLICY.retention_days.of(tier))
        message_id = f"{tier}-{next(numbers)}"
        row = {
            "id": message_id,
            "conversation_id": conversation,
            "role": "system" if tier is UserTier.SYSTEM else "user",
            "timestamp": said_at,
            "audio_storage_key": f"audio/user/{conversation}/{message_id}.wav",
            "audio_size_bytes": len(audio or AUDIO),
            "audio_processing_state": "analyzed",
            "audio_url": "https://example.org/signed",
            "audio_url_expires_at": now + DAY,
            "audio_retention_expires_at": expires_at,
            **columns,
        }
        if audio is not None:
            storage.bucket().put(row["audio_storage_key"], audio, "audio/wav")
        return add_message(**row)

    def _conversation(tier):
        if tier is UserTier.GUEST:
            return add_conversation(user_id=None, guest_id="browser")
        learner = add_user()
        if tier in {UserTier.PLUS, UserTier.PREMIUM}:
            add_subscription(learner, current_tier=tier.value)
        return add_conversation(user_id=learner)

    return _record


@pytest.fixture
def stored(engine):
    """Read a message as it is now."""

    def _stored(message_id):
        with engine.connect() as connection:
            return messages.get(connection, message_id)

    return _stored


@pytest.fixture
def entries(engine):
    """Read the deletion ledger, which must be whole: reason, state and message, as intended."""

    def _entries():
        with engine.connect() as connection:
            assert ledger.verify(connection).broken is None
            return [tuple(row) for row in connection.execute(_ENTRIES)]

    return _entries


@pytest.fixture
def sweep(rules):
    """Plan and sweep to the end as the flow does, without Prefect."""

    def _sweep(page_size=100, rules=rules):
        plan = plan_sweep.fn(rules)
        settle_broken_runs.fn(rules)
        report, cursor = sweep_chunk.fn(
            SweepCursor(allowance=plan.objects), rules, page_size=page_size, pages=100
        )
        assert cursor.ended or report.broken
        return report

    return _sweep


@pytest.fixture
def hold(engine):
    """Place a legal hold on a message, or on what else the scope says."""

    def _hold(subject_id, scope=HoldScope.MESSAGE):
        with engine.begin() as connection:
            return holds.place(connection, scope, str(subject_id), "case 7", "Mori")

    return _hold


@pytest.fixture
def add_orphan(stage, engine):
    """Queue an object that no message refers to, known to be nobody's whom a hold is on."""

    def _add_orphan(name, **columns):
        row = {
            "storage_key": f"audio/user/gone/{name}.wav",
            "source": "reconciliation",
            "size_bytes": len(AUDIO),
            "message_id": name,
            "conversation_id": "gone",
            "user_id": uuid4(),
            **columns,
        }
        storage.bucket().put(row["storage_key"], AUDIO, "audio/wav")
        with engine.begin() as connection:
            connection.execute(sa.insert(OrphanObject), row)
        return row["storage_key"]

    return _add_orphan


@pytest.fixture
def queue(engine):
    """Read the orphans' queue: key and why it is refused, by key."""

    def _queue():
        query = sa.select(OrphanObject.storage_key, OrphanObject.refused)
        with engine.connect() as connection:
            return dict(tuple(row) for row in connection.execute(query))

    return _queue


@pytest.fixture
def before_deleting(monkeypatch):
    """Let something happen once, after the first page's intent and before its deletion."""

    def _before_deleting(function):
        for module in (recordings, orphans):

            def interrupted(connection, keys, *rules, _delete=module._delete):
                while waiting:
                    waiting.pop()()
                return _delete(connection, keys, *rules)

            monkeypatch.setattr(module, "_delete", interrupted)
        waiting = [function]

    return _before_deleting


@pytest.fixture
def run_sql(engine):
    """Run a statement of the app or an operator, committed."""

    def _run_sql(statement, **values):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    return _run_sql


def is_in_bucket(key):
    return storage.bucket().head(key) is not None
