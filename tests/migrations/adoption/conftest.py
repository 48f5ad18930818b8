"""Fixtures: an adopted database. Also the assertion that a command refuses a database."""

import psycopg
import pytest

from migrations import run
from schema.errors.adoption import NotAdoptable
from tests.support.app_database import HALF, add_texts, catalogue, contents, make


@pytest.fixture
def adopted(url):
    """URL of a database that was adopted with its texts."""
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    return url


def state(url):
    """Return the schema and rows of the app, and the names of our own objects."""
    with psycopg.connect(url) as connection:
        ours = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('audio_ops')"
            " ORDER BY 1"
        ).fetchall()
        return catalogue(url), contents(url), ours


def assert_refused(url, message, command=run.upgrade, owner_url=None):
    """Assert that a command fails with this message and changes nothing."""
    before = state(owner_url or url)
    with pytest.raises(NotAdoptable, match="Nothing was changed") as refused:
        command(url)
    assert message in str(refused.value)
    assert state(owner_url or url) == before
