"""The rows and rules of a check."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from schema.facts.quality import BrokenRule, RowScope
from schema.states import AnalysisEngine
from stores.analysis import analyses as stores_analyses
from stores.quality import checked_rows, quarantine
from stores.quality.rules.catalogue import INVARIANTS, RULES
from tasks.analysis.workers import AnalysisWorkers
from tests.support.quality import (
    ANALYSIS,
    AS_OF,
    FACTS,
    MESSAGE,
    found,
    words,
)
from tests.support.recordings import SENTENCES

LAST_WEEK = AS_OF - timedelta(days=7)


def test_empty_tables(check):
    assert check() == {}


def test_rows_that_say_nothing_break_nothing(engine, add_message, check):
    nothing = dict.fromkeys((*MESSAGE, "audio_format", "audio_storage_key"))
    message_id = add_message(**nothing)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO message_audio_analysis (message_id, analysis_error) VALUES (:id, 'x')"
            ),
            {"id": message_id},
        )
    assert check() == {}


@pytest.mark.parametrize("number", [2**31 - 1, -(2**31), 0])
def test_no_number_or_instant_is_an_error(engine, add_analysed, check, number):
    columns = {name: number for name, value in MESSAGE.items() if isinstance(value, int)}
    add_analysed(
        {name: number for name, value in ANALYSIS.items() if isinstance(value, int)}, **columns
    )
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE messages SET audio_url = 'x', audio_url_expires_at = 'infinity',"
                " audio_retention_expires_at = '-infinity'"
            )
        )
    seen = check()
    assert seen["url_expiry"] == "URL until none, row until none"
    assert seen["retention_period"] == "expiry none, by tier 2025-11-12T12:00:00Z"


def test_a_score_that_the_app_emptied_is_checked_as_it_will_be_restored(engine, add_analysed):
    add_analysed(pronunciation_score=None)
    add_analysed(pronunciation_score=None, fluency_score=None)
    with engine.connect() as connection:
        checked_rows.create(connection, RowScope(), FACTS)
        query = sa.text("SELECT pronunciation_score FROM checked_message ORDER BY message_id")
        assert connection.scalars(query).all() == [85, None]


def test_only_messages_with_audio_are_checked(engine, add_message, add_analysis):
    bare = dict.fromkeys(("audio_storage_key", "audio_format"))
    pending = {"audio_processing_state": "pending"}
    add_message(**bare, **pending)
    looked_at = [
        add_message(**pending),
        add_message(**bare, audio_processing_state="uploading"),
        add_message(**bare, **pending, audio_deleted_at=LAST_WEEK),
        add_message(**bare, **pending),
    ]
    add_analysis(looked_at[-1])
    with engine.connect() as connection:
        assert checked_rows.create(connection, RowScope(), FACTS) == 4
        ids = connection.scalars(sa.text("SELECT message_id FROM checked_message"))
        assert set(ids) == set(looked_at)
        assert checked_rows.create(connection, RowScope(), FACTS) == 4  # recreated


def test_a_window_is_half_open_and_open_cases_are_always_checked(engine, add_analysed):
    before, first, last, after = (
        add_analysed(timestamp=LAST_WEEK + timedelta(hours=hour)) for hour in (-1, 0, 23, 24)
    )
    held = add_analysed(timestamp=LAST_WEEK - timedelta(days=300))
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(held, "quick_scores", "seen")])
    scope = RowScope(since=LAST_WEEK, until=LAST_WEEK + timedelta(days=1))
    assert looked_at(engine, scope) == {first, last, held}
    assert looked_at(engine, RowScope(since=LAST_WEEK)) == {first, last, after, held}
    assert looked_at(engine, RowScope(until=LAST_WEEK)) == {before, held}


def looked_at(engine, scope):
    with engine.connect() as connection:
        checked_rows.create(connection, scope, FACTS)
        messages_checked = set(
            connection.scalars(sa.text("SELECT message_id FROM checked_message"))
        )
        analyses_checked = connection.scalars(sa.text("SELECT message_id FROM checked_analysis"))
        assert set(analyses_checked) == messages_checked
        return messages_checked


def test_only_the_given_rules_are_evaluated_on_only_the_given_messages(engine, add_analysed):
    wrong = {"pronunciation_score": 1, "audio_size_bytes": 1}
    first, second = (add_analysed(words((0, {"charEnd": 99})), **wrong) for _ in range(2))
    with engine.connect() as connection:
        ask = checked_rows.broken_among
        assert ask(connection, [], FACTS, INVARIANTS) == []
        assert ask(connection, [first], FACTS, []) == []
        for names in ({"pcm_size"}, {"timings_in_text"}, {"quick_scores", "timings_in_text"}):
            rules = [RULES[name] for name in names]
            cases = ask(connection, [second, "no message"], FACTS, rules)
            assert {case.rule for case in cases} == names
            assert {case.message_id for case in cases} == {second}
        assert len(ask(connection, [first, second], FACTS, INVARIANTS)) == 6


def test_analyses_by_the_engine_break_no_rule(engine, spoken, claimed, noon, add_message):
    message = {**MESSAGE, "audio_processing_state": "uploaded"}
    with AnalysisWorkers(1, AnalysisEngine.KAIWA) as workers:
        for sentence in SENTENCES:
            text, audio = spoken(sentence)
            text = f"👋 {text.capitalize()}!"
            outcome = workers.analyse(claimed(text), audio, as_of=noon)
            duration_ms = int(1000 * outcome.audio_seconds)
            message_id = add_message(
                **message
                | {
                    "content": text,
                    "audio_duration_ms": duration_ms,
                    "audio_size_bytes": 48 * duration_ms,
                }
            )
            record = outcome.record.model_copy(update={"message_id": message_id})
            with engine.begin() as connection:
                stores_analyses.upsert(connection, [record])
    with engine.connect() as connection:
        assert found(connection) == {}
        count = "SELECT sum(jsonb_array_length(speech_timings)) FROM message_audio_analysis"
        assert connection.scalar(sa.text(count)) >= sum(len(text.split()) for text in SENTENCES)
