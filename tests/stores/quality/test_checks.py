"""Checks of changed rows: none may be missed, whichever transaction writes it and when."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from schema.facts.quality import RowScope, RuleResult
from schema.states import CheckScope, Severity
from stores.quality import checked_rows, checks
from tests.support.quality import FACTS

CHANGED, EVERYTHING, WINDOW = CheckScope.CHANGED, CheckScope.EVERYTHING, CheckScope.WINDOW
RESULTS = [RuleResult("quick_scores", Severity.FAIL, 10, 2, ("message-1",))]


@pytest.fixture
def begin(engine):
    """Begin a check, and finish it unless `finish` is false; return its rows."""

    def _begin(scope=CHANGED, *, finish=True, **arguments):
        with engine.begin() as connection:
            check_id, rows = checks.begin(connection, scope, **arguments)
        if finish:
            with engine.begin() as connection:
                checks.finish(connection, check_id, checked=10, failing=2, results=RESULTS)
        return rows

    return _begin


@pytest.fixture
def execute(engine):
    """Run a statement in its own transaction."""

    def _execute(statement, **arguments):
        with engine.begin() as connection:
            return connection.execute(sa.text(statement), arguments)

    return _execute


@pytest.fixture
def changed(engine, begin):
    """Check changed messages; return their ids."""

    def _changed(**arguments):
        scope = begin(CHANGED, **arguments)
        assert scope.changed_since_xid is not None
        with engine.connect() as connection:
            checked_rows.create(connection, scope, FACTS)
            return set(connection.scalars(sa.text("SELECT message_id FROM checked_message")))

    return _changed


def test_the_first_check_looks_at_everything(begin):
    assert begin(CHANGED, finish=False) == RowScope()
    assert begin(CHANGED, finish=False) == RowScope()  # an interrupted one does not count
    begin(WINDOW)
    assert begin(CHANGED) == RowScope()
    assert begin(CHANGED).changed_since_xid is not None


def test_written_messages_and_analyses_are_checked_once(begin, changed, add_analysed, execute):
    first, second, third = (add_analysed() for _ in range(3))
    begin(EVERYTHING)
    assert changed() == set()
    execute("UPDATE messages SET fluency_score = 1 WHERE id = :id", id=first)
    execute("UPDATE message_audio_analysis SET pause_count = 2 WHERE message_id = :id", id=second)
    fourth = add_analysed()
    assert changed() == {first, second, fourth}
    assert changed() == set()
    execute("DELETE FROM message_audio_analysis WHERE message_id = :id", id=third)
    assert changed() == {third}


def test_a_transaction_that_ran_when_the_check_began_is_seen_by_the_next(
    engine, begin, changed, add_analysed
):
    message_id = add_analysed()
    begin(EVERYTHING)
    with engine.begin() as writer:
        writer.execute(sa.text("UPDATE messages SET fluency_score = 1"))
        assert changed() == set()  # not committed yet, while other checks finish
        assert changed() == set()
    assert changed() == {message_id}
    assert changed() == set()


def test_a_savepoint_of_a_running_transaction_is_seen_by_the_next(
    engine, begin, changed, add_analysed
):
    message_id = add_analysed()
    begin(EVERYTHING)
    with engine.begin() as writer:
        writer.execute(sa.text("UPDATE audio_ops.lease SET attempts = 1"))
        with writer.begin_nested():
            writer.execute(sa.text("UPDATE messages SET fluency_score = 1"))
        assert changed() == changed() == set()
    assert changed() == {message_id}


def test_frozen_rows_are_still_distinguished(
    begin, changed, add_analysed, execute, administrator, engine
):
    add_analysed()
    begin(EVERYTHING)
    young = add_analysed()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (FREEZE) messages, message_audio_analysis"))
    assert changed() == {young}


def test_messages_in_analysis_are_always_checked(begin, changed, add_message):
    message_id = add_message(audio_processing_state="analyzing")
    begin(EVERYTHING)
    assert changed() == changed() == {message_id}


def test_since_refers_to_the_last_check_that_began_before(begin, changed, add_analysed, execute):
    begin(EVERYTHING)
    moment = execute("SELECT clock_timestamp()").scalar_one()
    first = add_analysed()
    assert changed() == {first}
    second = add_analysed()
    assert changed(since=moment) == {first, second}
    assert changed() == set()
    assert begin(CHANGED, since=moment - timedelta(hours=1)) == RowScope()  # there was none before


@pytest.mark.parametrize("first_xid", ["2^40", "8 * 2^32"])
def test_numbers_of_another_cluster_mean_everything(begin, execute, first_xid):
    begin(EVERYTHING)
    execute(f"UPDATE audio_ops.quality_check SET first_xid = CAST({first_xid} AS bigint)")
    assert begin(CHANGED) == RowScope()


def test_a_check_restored_into_another_cluster_means_everything(begin, execute):
    begin(EVERYTHING)
    assert begin(CHANGED, finish=False).changed_since_xid is not None
    # Its row looks as if it had been written before the check it refers to.
    execute("UPDATE audio_ops.quality_check SET first_xid = txid_current() + 1")
    for _ in range(3):
        execute("SELECT txid_current()")
    assert begin(CHANGED) == RowScope()


def test_after_half_of_all_transaction_ids_everything_is_checked(begin, execute, engine):
    begin(EVERYTHING)
    execute("UPDATE audio_ops.quality_check SET first_xid = first_xid - CAST(2^31 AS bigint)")
    assert begin(CHANGED) == RowScope()


def test_a_window_is_kept_and_returned(engine, begin):
    since, until = (datetime(2025, 10, day, tzinfo=UTC) for day in (13, 14))
    assert begin(WINDOW, since=since, until=until) == RowScope(since=since, until=until)
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT since, until FROM audio_ops.quality_check")).one()
    assert tuple(row) == (since, until)


def test_the_last_checks_come_oldest_first(engine, begin):
    for scope in (EVERYTHING, WINDOW, CHANGED):
        begin(scope)
    begin(CHANGED, finish=False)
    with engine.connect() as connection:
        last = checks.last_checks(connection, 2)
        assert [check.scope for check in last] == [WINDOW, CHANGED]
        assert last[0].results == {"quick_scores": RuleResult("quick_scores", Severity.FAIL, 10, 2)}
        assert (last[0].checked, last[0].failing) == (10, 2)
        earlier = checks.last_checks(connection, 9, before=last[-1].check_id)
        assert [check.scope for check in earlier] == [EVERYTHING, WINDOW]


def test_finishing_again_changes_nothing(engine):
    with engine.begin() as connection:
        check_id, _ = checks.begin(connection, EVERYTHING)
        for _ in range(2):
            checks.finish(connection, check_id, checked=10, failing=2, results=RESULTS)
        assert len(checks.last_checks(connection, 9)) == 1
