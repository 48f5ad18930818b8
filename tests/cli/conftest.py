"""The commands' environment."""

import pytest

from tasks.resources import database


@pytest.fixture
def at_database(database_url, monkeypatch):
    """Let commands find this test's database, and no bucket."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    database.engine.cache_clear()
    yield
    database.engine().dispose()
    database.engine.cache_clear()
