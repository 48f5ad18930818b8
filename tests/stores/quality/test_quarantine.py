"""Cases of quarantine: opened once, closed when the rule passes again."""

import pytest
import sqlalchemy as sa

from schema.facts.quality import BrokenRule, RowScope
from stores.quality import checked_rows, quarantine
from tests.support.quality import FACTS

RULE = "quick_scores"


@pytest.fixture
def cases(engine):
    """Read message, rule, observed value and whether the case is open, in order of opening."""

    def _cases():
        query = (
            "SELECT message_id, rule, observed, released_at IS NULL FROM audio_ops.quarantine"
            " ORDER BY id"
        )
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return _cases


def look(connection):
    checked_rows.create(connection, RowScope(), FACTS)
    quarantine.collect_invariants(connection)


def check(engine, rules=(RULE,)):
    """Check everything; return the numbers of opened and closed cases."""
    with engine.begin() as connection:
        look(connection)
        return quarantine.open_cases(connection, rules), quarantine.release(connection, rules)


def test_a_case_stays_as_it_is_until_its_rule_holds_again(engine, add_analysed, run_sql, cases):
    wrong, _ = add_analysed(pronunciation_score=80), add_analysed()
    assert check(engine) == (1, 0)
    run_sql("UPDATE messages SET pronunciation_score = 81 WHERE id = :id", id=wrong)
    assert check(engine) == (0, 0)
    first = (wrong, RULE, "pronunciation_score 80, analysis 85")
    assert cases() == [(*first, True)]
    run_sql("UPDATE messages SET pronunciation_score = 85 WHERE id = :id", id=wrong)
    assert check(engine) == (0, 1)
    run_sql("UPDATE messages SET pronunciation_score = -1 WHERE id = :id", id=wrong)
    assert check(engine) == (1, 0)
    again = (wrong, RULE, "pronunciation_score -1, analysis 85")
    assert cases() == [(*first, False), (*again, True)]


def test_only_the_given_rules_open_and_close_cases(engine, add_analysed, cases):
    message_id = add_analysed(pronunciation_score=80, audio_size_bytes=1)
    assert check(engine, rules=["pcm_size"]) == (1, 0)
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(message_id, "another_rule", "seen")])
    assert check(engine) == (1, 0)
    assert [case[1] for case in cases() if case[3]] == ["pcm_size", "another_rule", RULE]


def test_a_check_changes_nothing_else(engine, add_analysed):
    add_analysed(pronunciation_score=80)

    def rows():
        with engine.connect() as connection:
            read = "SELECT m.xmin, m.*, a.xmin, a.* FROM messages m, message_audio_analysis a"
            return [tuple(row) for row in connection.execute(sa.text(read))]

    before = rows()
    check(engine)
    assert rows() == before


def test_a_crash_is_released_by_the_analysis_that_worked(engine, add_analysed, add_message, cases):
    analysed, failed = add_analysed(), add_message(audio_processing_state="failed")
    with engine.begin() as connection:
        crashes = [
            BrokenRule(key, quarantine.CRASH_RULE, "3 crashes") for key in (analysed, failed)
        ]
        quarantine.set_aside(connection, crashes)
    assert check(engine) == (0, 1)
    assert [case[0] for case in cases() if case[3]] == [failed]


def test_messages_deleted_meanwhile_are_skipped(engine, add_analysed, run_sql, cases):
    gone, stays = (add_analysed(pronunciation_score=80) for _ in range(2))
    with engine.begin() as connection:
        look(connection)
        run_sql("DELETE FROM messages WHERE id = :id", id=gone)
        assert quarantine.open_cases(connection, [RULE]) == 1
        quarantine.set_aside(connection, [BrokenRule(gone, RULE, "seen")])
    assert [case[0] for case in cases()] == [stays]


def test_a_message_written_since_the_check_is_not_released(engine, add_analysed, run_sql, cases):
    message_id = add_analysed(pronunciation_score=80)
    check(engine)
    run_sql("UPDATE messages SET pronunciation_score = 85")
    with engine.begin() as connection:
        look(connection)
        run_sql("UPDATE messages SET pronunciation_score = 70")  # and its case stays open
        assert quarantine.release(connection, [RULE]) == 0
    assert [case[0] for case in cases() if case[3]] == [message_id]


def test_a_release_passes_over_a_message_that_is_being_written(
    engine, add_analysed, run_sql, cases
):
    add_analysed(pronunciation_score=80)
    check(engine)
    run_sql("UPDATE messages SET pronunciation_score = 85")
    with engine.begin() as connection, engine.begin() as writer:
        look(connection)
        writer.execute(sa.text("UPDATE messages SET pronunciation_score = 70"))
        assert quarantine.release(connection, [RULE]) == 0
    assert [case[3] for case in cases()] == [True]


def test_failing_messages_are_counted_once_and_examples_are_few(engine, add_analysed):
    ids = [add_analysed(pronunciation_score=80, audio_size_bytes=1) for _ in range(7)]
    with engine.begin() as connection:
        look(connection)
        quarantine.collect(connection, [BrokenRule(ids[3], "object_in_bucket", "no such object")])
        quarantine.collect(connection, [])
        assert quarantine.failing(connection, [RULE, "pcm_size"]) == 7
        assert quarantine.failing(connection, ["object_in_bucket"]) == 1
        assert quarantine.failing(connection, ["url_expiry"]) == 0
        assert quarantine.counts_and_examples(connection) == {
            RULE: (7, tuple(ids[:5])),
            "pcm_size": (7, tuple(ids[:5])),
            "object_in_bucket": (1, (ids[3],)),
        }


def test_nothing_is_quarantined_when_no_rule_is_broken(engine, cases):
    with engine.begin() as connection:
        quarantine.set_aside(connection, [])
    assert check(engine) == (0, 0)
    assert cases() == []
