"""The commands' environment."""

import pytest

from tasks import resources


@pytest.fixture
def at_database(database_url, monkeypatch):
    """Let commands find this test's database, and no bucket."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    resources.engine.cache_clear()
    yield
    resources.engine().dispose()
    resources.engine.cache_clear()
