"""`rollback` restores the schema and every value."""

import pytest

from migrations import run
from tests.migrations.adoption.conftest import state
from tests.support.app_database import HALF, TABLES, add_texts, catalogue, contents, make
from tests.support.app_states import STATES

# A rollback keeps the upgrade's version of these: an INVALID or wrong index, a wrong key.
NOT_PUT_BACK = {
    "empty",
    "a foreign key with another action",
    "an INVALID index",
    "an index of another definition",
}


@pytest.mark.parametrize("state", sorted(STATES.keys() - NOT_PUT_BACK))
def test_every_state_can_be_restored(url, state):
    make(url, *STATES[state])
    rows, schema = contents(url), catalogue(url)
    run.upgrade(url)
    run.rollback(url)
    assert catalogue(url) == schema
    assert contents(url) == rows
    run.upgrade(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == (rows, schema)


def test_one_rollback_undoes_several_upgrades(url):
    make(url, TABLES)
    before = catalogue(url)
    run.upgrade(url)
    make(url, "ALTER TABLE messages DROP COLUMN audio_url_expires_at")
    run.upgrade(url)
    run.rollback(url)
    assert catalogue(url) == before
    assert run.rollback(url) == ()


@pytest.mark.parametrize(
    ("table", "column", "default"),
    [
        ("messages", "audio_format", "'a::b'"),
        ("messages", "audio_format", "'see :log, 100 %'"),
        ("messages", "pronunciation_score", "''"),
        ("messages", "audio_retention_expires_at", "CAST('2099-01-01' AS date) + 1"),
    ],
)
def test_a_default_comes_back_as_it_was(url, table, column, default):
    make(url, *HALF, f"ALTER TABLE {table} ALTER {column} SET DEFAULT {default}")
    before = catalogue(url)
    run.upgrade(url)
    run.check(url)
    run.rollback(url)
    assert catalogue(url) == before


def test_analyses_are_not_dropped_unless_it_is_said(url):
    make(url, TABLES)
    add_texts(url, "audio_duration")
    run.upgrade(url)
    make(url, "INSERT INTO message_audio_analysis (message_id) VALUES ('whole')")
    before = contents(url)
    with pytest.raises(run.AnalysesWouldGo, match="1 analysis"):
        run.rollback(url)
    assert contents(url) == before
    run.rollback(url, drop_analyses=True)
    assert "message_audio_analysis" not in contents(url)


def test_a_rollback_where_nothing_was_adopted_changes_nothing(url):
    make(url, *HALF)
    before = state(url)
    assert run.rollback(url) == ()
    assert state(url) == before
