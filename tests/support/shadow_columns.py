"""Upgrades through shadow columns, and what they leave."""

import psycopg
import pytest

from migrations import run
from tests.support.app_database import catalogue, contents

SWAPPED = "Put the numbers in the place of the texts"
MANY = """
INSERT INTO messages (id, conversation_id, role, content, audio_duration_ms, pronunciation_score)
SELECT 'many' || n, 'c1', 'user', 'Hello', (ARRAY['5.2s', '5200', 'n/a'])[1 + mod(n, 3)],
    (ARRAY['85%', NULL])[1 + mod(n, 2)]
FROM generate_series(1, 3500) AS n
"""


def in_shadow(url):
    """Upgrade through shadow columns, which a table as small as this would not need."""
    return run.upgrade(url, longest_lock_seconds=0)


def begin(url, until="Build the index"):
    """Upgrade until a step begins; by default, to where the app writes into shadow columns."""

    class Broken(Exception):
        pass

    def say(what):
        if what.startswith(until):
            raise Broken

    with pytest.raises(Broken):
        run.upgrade(url, longest_lock_seconds=0, say=say)


def parked(url):
    """Return the texts that were parked, and the numbers they were read as."""
    query = "SELECT message_id, column_name, value, read_as FROM audio_ops.parked_text ORDER BY 1,2"
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def outcome(url):
    """Return rows, parked texts and schema."""
    return contents(url), parked(url), catalogue(url)
