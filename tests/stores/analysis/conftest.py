"""Fixtures: claims that are committed, and the messages and leases they leave."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from schema.tables.operations import Lease
from stores.analysis import leases, messages

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def claim(engine):
    """Claim and commit; return the claim."""

    def _claim(limit=10, duration=MINUTE, languages=("en",), start=None):
        with engine.begin() as connection:
            return leases.claim(
                connection,
                languages=languages,
                limit=limit,
                owner="test",
                duration=duration,
                start=start,
            )

    return _claim


@pytest.fixture
def chunks(engine):
    """Plan chunks of the waiting messages; return the start and size of each."""

    def _chunks(limit=10, chunk_size=10, languages=("en",)):
        with engine.begin() as connection:
            return leases.waiting_chunks(
                connection, languages=languages, limit=limit, chunk_size=chunk_size
            )

    return _chunks


@pytest.fixture
def state(engine):
    """Return a message's state."""

    def _state(message_id):
        with engine.connect() as connection:
            return messages.get(connection, message_id).audio_processing_state

    return _state


@pytest.fixture
def lease(engine):
    """Return a message's lease row, or None."""

    def _lease(message_id):
        with engine.connect() as connection:
            query = sa.select(Lease.__table__).where(Lease.message_id == message_id)
            return connection.execute(query).one_or_none()

    return _lease


@pytest.fixture
def expire(engine):
    """Make all leases expire some minutes ago."""

    def _expire(minutes=1):
        with engine.begin() as connection:
            past = sa.func.now() - timedelta(minutes=minutes)
            connection.execute(sa.update(Lease).values(leased_until=past))

    return _expire


def ids(claim):
    return [message.message_id for message in claim.messages]
