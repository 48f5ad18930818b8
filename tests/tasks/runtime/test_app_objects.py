"""Objects that `drizzle-kit push` drops from the app's tables are recreated or reported."""

import threading

import pytest
import sqlalchemy as sa

from schema.errors.adoption import AppObjectsLost, RowsHidden
from stores import app_objects, database
from tasks.resources import database as database_resources
from tasks.runtime.app_objects import mend_app_objects

WAITING, EXPIRING = "audio_ops_messages_waiting_idx", "audio_ops_messages_expiring_idx"


@pytest.fixture
def lost(stage, engine):
    def _lost():
        with engine.connect() as connection:
            return app_objects.lost(connection)

    return _lost


def test_nothing_is_lost_on_an_adopted_database(lost):
    assert lost() == ()
    mend_app_objects.fn()


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        (f"DROP INDEX {WAITING}, {EXPIRING}", (EXPIRING, WAITING)),
        (
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{WAITING}'::regclass",
            (WAITING,),
        ),
        (f"DROP TRIGGER {app_objects.TRIGGER} ON messages", (app_objects.TRIGGER,)),
        (f"ALTER TABLE messages DISABLE TRIGGER {app_objects.TRIGGER}", (app_objects.TRIGGER,)),
    ],
)
def test_dropped_objects_are_recreated(lost, run_sql, loss, names):
    run_sql(loss)
    assert lost() == names
    mend_app_objects.fn()
    assert lost() == ()


def test_orphans_found_while_the_queue_was_locked_are_queued(engine, lost, add_message, queue):
    add_message(audio_storage_key="k")
    with engine.begin() as app, engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object"))
        app.execute(sa.text("DELETE FROM messages"))
    assert queue() == {}
    mend_app_objects.fn()
    assert queue() == {"k": None}


def test_a_role_without_the_right_gets_an_error_with_what_to_do(lost, run_sql, engine, monkeypatch):
    run_sql(f"DROP INDEX {WAITING}")
    run_sql("DROP ROLE IF EXISTS flows_alone; CREATE ROLE flows_alone LOGIN PASSWORD 'flows'")
    try:
        url = engine.url.set(username="flows_alone", password="flows")
        poor = database.connect(url.render_as_string(hide_password=False))
        with monkeypatch.context() as patch:
            patch.setattr(database_resources, "engine", lambda: poor)
            with pytest.raises(AppObjectsLost, match=f"{WAITING}.*database upgrade"):
                mend_app_objects.fn()
        poor.dispose()
    finally:
        run_sql("DROP ROLE flows_alone")


def test_nothing_is_done_if_row_security_hides_rows(lost, run_sql, engine, monkeypatch):
    run_sql(
        "ALTER TABLE messages ENABLE ROW LEVEL SECURITY;"
        "CREATE ROLE bound_by_rows LOGIN PASSWORD 'rows'; GRANT SELECT ON messages TO bound_by_rows"
    )
    try:
        url = engine.url.set(username="bound_by_rows", password="rows")
        bound = database.connect(url.render_as_string(hide_password=False))
        with monkeypatch.context() as patch:
            patch.setattr(database_resources, "engine", lambda: bound)
            with pytest.raises(RowsHidden, match="messages"):
                mend_app_objects.fn()
        bound.dispose()
    finally:
        run_sql("DROP OWNED BY bound_by_rows; DROP ROLE bound_by_rows")


def test_while_a_migrator_is_at_it_nothing_is_made(lost, run_sql, engine):
    run_sql(f"DROP INDEX {WAITING}")
    with engine.connect() as migrator:
        migrator.execute(sa.select(sa.func.pg_advisory_lock(app_objects.MIGRATION_LOCK)))
        mend_app_objects.fn()
        assert lost() == (WAITING,)
    engine.dispose()


def test_several_runs_that_begin_at_once_make_them_once(lost, run_sql):
    run_sql(f"DROP INDEX {WAITING}, {EXPIRING}")
    runs = [threading.Thread(target=mend_app_objects.fn) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    mend_app_objects.fn()
    assert lost() == ()
