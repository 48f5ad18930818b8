"""Behind PgBouncer a session has our settings, or it is refused with what to change."""

import psycopg
import pytest
import sqlalchemy as sa

from migrations import run
from schema.errors.base import SessionNotUtc, SettingsDropped, StartupOptionsRefused
from stores import database as stored
from tasks.resources import database
from tasks.resources.database import in_transaction
from tasks.sweep.sweep_retention import sole_sweep
from tests.support.pgbouncer import SETTINGS

pytestmark = pytest.mark.usefixtures("stage")

MODES = ["session", "transaction"]
IGNORING = {"ignore_startup_parameters": "options"}
COUNT = sa.text("SELECT count(*) FROM messages WHERE id = :id")
NOW = sa.text("SELECT current_setting('TimeZone'), CAST(now() AS timestamp)")


@pytest.fixture
def through(monkeypatch):
    """Let tasks use this address."""

    def _through(url):
        database.engine().dispose()
        database.engine.cache_clear()
        monkeypatch.setenv("DATABASE_URL", url)

    return _through


@pytest.mark.parametrize("mode", MODES)
def test_a_pooler_that_refuses_our_options_is_named_at_once(pgbouncer, through, mode):
    through(pgbouncer.start(mode))
    with pytest.raises(StartupOptionsRefused, match="ignore_startup_parameters"):
        in_transaction(stored.now)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_in_another_time_zone_is_never_used(pgbouncer, through, mode):
    through(pgbouncer.start(mode, **IGNORING))
    pgbouncer.set_on_role(**SETTINGS | {"timezone": "Asia/Kathmandu"})
    with pytest.raises(SessionNotUtc, match="Asia/Kathmandu"):
        in_transaction(stored.now)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["search_path", "statement_timeout", "lock_timeout", "jit"])
def test_a_session_without_one_of_our_settings_is_refused(pgbouncer, through, mode, name):
    through(pgbouncer.start(mode, **IGNORING))
    pgbouncer.set_on_role(**{key: value for key, value in SETTINGS.items() if key != name})
    with pytest.raises(SettingsDropped, match=name):
        in_transaction(stored.now)


@pytest.mark.parametrize("mode", MODES)
def test_migrations_through_a_pooler_are_refused(pgbouncer, mode):
    pgbouncer.set_on_role(**SETTINGS)
    with pytest.raises(SettingsDropped, match="direct address"):
        run.upgrade(pgbouncer.start(mode, **IGNORING))


def test_another_client_of_the_pool_that_changes_its_time_zone_changes_ours_never(
    pgbouncer, through
):
    url = pgbouncer.start("transaction", default_pool_size=1, **IGNORING)
    pgbouncer.set_on_role(**SETTINGS)
    through(url)
    other = psycopg.connect(url, autocommit=True)
    for _ in range(20):
        other.execute("SET timezone = 'Asia/Kathmandu'")
        zone, local = in_transaction(lambda connection: connection.execute(NOW).one())
        now = in_transaction(stored.now)
        assert zone == "UTC"
        assert abs(now.replace(tzinfo=None) - local).total_seconds() < 60
    other.close()


def test_statements_repeated_in_transaction_mode_need_no_preparation(pgbouncer, through):
    pgbouncer.set_on_role(**SETTINGS)
    through(pgbouncer.start("transaction", server_round_robin=1, **IGNORING))
    engine = database.engine()
    with engine.connect() as one, engine.connect() as two:
        for _ in range(50):
            for connection in (one, two):
                connection.execute(COUNT, {"id": "x"})
                connection.commit()


@pytest.mark.parametrize("mode", MODES)
def test_only_one_sweep_runs_and_it_leaves_no_lock_behind(pgbouncer, through, mode):
    pgbouncer.set_on_role(**SETTINGS)
    through(pgbouncer.start(mode, server_round_robin=1, **IGNORING))
    for _ in range(6):
        with sole_sweep() as first:
            assert first
            for _ in range(4):
                with sole_sweep() as second:
                    assert not second
                in_transaction(stored.now)


@pytest.mark.parametrize("mode", MODES)
def test_a_sweep_deletes_through_a_pooler(pgbouncer, through, mode, record, sweep):
    ids = [record() for _ in range(3)]
    pgbouncer.set_on_role(**SETTINGS)
    through(pgbouncer.start(mode, **IGNORING))
    assert sweep(page_size=1).objects == len(ids)
