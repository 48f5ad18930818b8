"""The pass over messages equals a row-by-row computation."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import polars as pl
import pytest
import sqlalchemy as sa

from schema.tables.app import Conversation, Message, User
from schema.tables.base import UtcDateTime
from stores.costs import metrics

AS_OF = datetime(2025, 10, 26, 3, 30, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
LEARNERS, CONVERSATIONS, MESSAGES = 30, 60, 500
NOT_UPLOADED = ("pending", "uploading")
KEYS = [name for name in metrics.STOCK if name not in ("objects", "bytes", "audio_ms", "unsized")]
_ADD_SUBSCRIPTION = sa.text("""
INSERT INTO subscriptions (id, user_id, stripe_subscription_id, stripe_price_id, current_tier,
    created_at, updated_at)
VALUES (:id, :user_id, CAST(:id AS text), 'price', CAST(:current_tier AS subscription_tier),
    :created_at, :updated_at)
""").bindparams(
    sa.bindparam("created_at", type_=UtcDateTime), sa.bindparam("updated_at", type_=UtcDateTime)
)


@pytest.mark.parametrize("seed", range(4))
def test_the_pass_agrees_with_a_row_by_row_computation(engine, seed):
    rows = _random_rows(random.Random(seed))
    with engine.begin() as connection:
        for table in (User, Conversation, Message):
            connection.execute(sa.insert(table), rows[table])
        connection.execute(_ADD_SUBSCRIPTION, rows["subscriptions"])
    with engine.begin() as connection:
        found = metrics.stock(connection, as_of=AS_OF)
    expected = pl.DataFrame(_row_by_row(rows), metrics.STOCK, orient="row")
    assert found.schema == metrics.STOCK
    assert found.sort(KEYS).rows() == expected.sort(KEYS).rows()


def _random_rows(rng):
    def instant():
        near = rng.choice([timedelta(0), INSTANT, -INSTANT, timedelta(hours=rng.uniform(0, 24))])
        return AS_OF - rng.choice([-1, 0, 1, 2, 30, 399, 400, 401]) * DAY - near

    def maybe(value):
        return rng.choice([value, value, None])

    learners = [UUID(int=rng.getrandbits(128)) for _ in range(LEARNERS)]
    conversations = [f"conversation-{number}" for number in range(CONVERSATIONS)]
    return {
        User: [{"id": learner, "email": f"{learner}@example.org"} for learner in learners],
        # Few timestamps, so that several subscriptions of a learner are equally new.
        "subscriptions": [
            {
                "id": UUID(int=rng.getrandbits(128)),
                "user_id": learner,
                "current_tier": rng.choice(["free", "plus", "premium", None]),
                "created_at": maybe(AS_OF - rng.randrange(2) * DAY),
                "updated_at": maybe(AS_OF - rng.randrange(2) * DAY),
            }
            for learner in learners
            for _ in range(rng.randrange(5))
        ],
        Conversation: [
            {
                "id": conversation,
                "user_id": rng.choice([None, *rng.sample(learners, 4)]),
                "target_language_id": rng.choice(["ja", "en", "fil"]),
            }
            for conversation in conversations
        ],
        Message: [
            {
                "id": f"message-{number}",
                "conversation_id": rng.choice(conversations),
                "role": rng.choice(["user", "user", "assistant", "system"]),
                "content": "Hello world",
                "timestamp": instant(),
                "audio_storage_key": maybe(f"audio/{number}.wav"),
                "audio_format": rng.choice(["pcm16", "wav", None]),
                "audio_processing_state": rng.choice(["analyzed", "failed", None, *NOT_UPLOADED]),
                "audio_size_bytes": rng.choice([None, -1, 0, rng.randrange(2**31)]),
                "audio_duration_ms": rng.choice([None, -1, 0, rng.randrange(2**31)]),
                "audio_retention_expires_at": maybe(instant()),
                "audio_deleted_at": maybe(maybe(instant())),
            }
            for number in range(MESSAGES)
        ],
    }


def _row_by_row(rows):
    """Return the groups and their sums, columns as `metrics.STOCK`."""
    tiers = _tiers(rows["subscriptions"])
    conversations = {row["id"]: row for row in rows[Conversation]}
    sums = defaultdict(lambda: [0, 0, 0, 0])
    for message in filter(_is_audio, rows[Message]):
        conversation = conversations[message["conversation_id"]]
        size, duration = message["audio_size_bytes"], message["audio_duration_ms"]
        learner = conversation["user_id"]
        owner = (conversation["target_language_id"], learner is not None, tiers.get(learner))
        values = (1, _believed(size), _believed(duration), size is None or size < 0)
        group = sums[*owner, message["role"] == "system", message["audio_format"], *_age(message)]
        group[:] = [total + value for total, value in zip(group, values, strict=True)]
    return [(*key, *group) for key, group in sums.items()]


def _tiers(subscriptions):
    """Return each learner's newest tier; one without a timestamp is newer than all others."""

    def oldest_first(row):
        instants = [row["updated_at"], row["created_at"]]
        return [at or datetime.max.replace(tzinfo=UTC) for at in instants], -row["id"].int

    return {row["user_id"]: row["current_tier"] for row in sorted(subscriptions, key=oldest_first)}


def _is_audio(message):
    return (
        message["timestamp"] <= AS_OF
        and (message["audio_storage_key"] or message["audio_deleted_at"])
        and (message["audio_deleted_at"] or message["audio_processing_state"] not in NOT_UPLOADED)
    )


def _believed(value):
    return value if value and value > 0 else 0


def _age(message):
    """Return said_days, deleted_days, in_grace."""
    deleted_at, expires_at = message["audio_deleted_at"], message["audio_retention_expires_at"]
    is_deleted = deleted_at is not None and deleted_at <= AS_OF
    return (
        _days_ago(message["timestamp"]),
        _days_ago(deleted_at) if is_deleted else None,
        not is_deleted and expires_at is not None and expires_at <= AS_OF,
    )


def _days_ago(instant):
    return min((AS_OF - instant) // DAY, metrics.OLDEST_DAYS)
