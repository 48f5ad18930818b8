"""Fixtures: recordings in the bucket, statements, small pages."""

import pytest
import sqlalchemy as sa

from tasks.reconciliation import listing


@pytest.fixture
def record(put, add_message):
    """Add a message with its object; return its key."""

    def _record(key, data=b"data", **columns):
        put(key, data)
        add_message(audio_storage_key=key, audio_size_bytes=len(data), **columns)
        return key

    return _record


@pytest.fixture
def do(engine):
    def _do(statement, **values):
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    return _do


@pytest.fixture
def small_pages(monkeypatch):
    """Two objects per page, two pages per chunk."""
    monkeypatch.setattr("stores.bucket.listing.KEYS_PER_PAGE", 2)
    monkeypatch.setattr(listing, "PAGES_PER_CHUNK", 2)
