"""Great Expectations on checked tables: what it finds, and what it does not change."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from schema.errors.reporting import RulesUnanswered
from schema.facts.quality import RowScope
from stores.quality import checked_rows
from stores.quality.validation import Counts
from tasks.quality.rule_facts import rule_facts
from tests.support.checked_tables import (
    ANALYSIS_COLUMNS,
    ANALYSIS_RULES,
    MESSAGE_COLUMNS,
    MESSAGE_RULES,
    add,
    add_analysis,
    add_message,
    checked_tables,
    validate,
)

AS_OF = datetime(2025, 10, 14, tzinfo=UTC)


@pytest.fixture
def connection(engine):
    with checked_tables(engine) as connection:
        yield connection


def noted(connection):
    return sorted(
        tuple(row) for row in connection.execute(sa.text("SELECT rule, observed FROM broken"))
    )


def broken(result):
    return {rule: counts.broken for rule, counts in result.counts.items() if counts.broken}


def test_rules_have_an_answer_in_empty_tables(connection):
    result = validate(connection)
    assert dict(result.counts) == dict.fromkeys(MESSAGE_RULES | ANALYSIS_RULES, Counts(0, 0))


def test_checked_tables_as_they_are_made_can_be_asked(engine, add_message, stage):
    key = "audio/../odd%.wav"
    message_id = add_message(audio_storage_key=key, pronunciation_score=101)
    with engine.begin() as connection:
        checked_rows.create(connection, RowScope(), rule_facts(AS_OF))
        result = validate(connection)
        assert result.counts.keys() == MESSAGE_RULES.keys() | ANALYSIS_RULES.keys()
        rows = connection.execute(sa.text("SELECT * FROM broken ORDER BY rule, observed")).all()
    assert rows == [
        (message_id, "expiry_when_uploaded", "audio_retention_expires_at is empty"),
        (message_id, "pronunciation_score_range", "pronunciation_score 101"),
        (message_id, "storage_key", f"audio_storage_key {key}"),
    ]


def test_tables_made_by_hand_have_the_columns_of_real_ones(engine, stage):
    with engine.begin() as connection:
        checked_rows.create(connection, RowScope(), rule_facts(AS_OF))
        columns = sa.inspect(connection).get_columns
        for table, by_hand in (
            ("checked_message", MESSAGE_COLUMNS),
            ("checked_analysis", ANALYSIS_COLUMNS),
        ):
            real = {column["name"]: column["type"] for column in columns(table)}
            real.pop("version", None)
            assert {name: str(kind).lower() for name, kind in real.items()} == by_hand


def test_good_rows_break_nothing(connection):
    for number in range(3):
        add_message(connection, f"m{number}")
        add_analysis(connection, f"m{number}")
    result = validate(connection)
    assert not broken(result)
    assert {counts.checked for counts in result.counts.values()} == {3}
    assert not noted(connection)


@pytest.mark.parametrize(
    ("columns", "rule", "observed"),
    [
        ({"audio_processing_state": "lost"}, "processing_state", "audio_processing_state lost"),
        ({"audio_processing_state": None}, "processing_state", "audio_processing_state is empty"),
        ({"pronunciation_score": -1}, "pronunciation_score_range", "pronunciation_score -1"),
        ({"pronunciation_score": 101}, "pronunciation_score_range", "pronunciation_score 101"),
        ({"fluency_score": 101}, "fluency_score_range", "fluency_score 101"),
        ({"speech_rate_wpm": -1}, "speech_rate_range", "speech_rate_wpm -1"),
        ({"audio_duration_ms": -1}, "audio_duration_range", "audio_duration_ms -1"),
        ({"audio_size_bytes": -1}, "audio_size_range", "audio_size_bytes -1"),
        ({"audio_sample_rate": 0}, "audio_sample_rate", "audio_sample_rate 0"),
        ({"audio_channels": 0}, "audio_channels", "audio_channels 0"),
        ({"audio_format": "tape"}, "audio_format", "audio_format tape"),
        ({"fluency_score": None}, "scores_when_analyzed", "fluency_score is empty"),
        (
            {"audio_retention_expires_at": None},
            "expiry_when_uploaded",
            "audio_retention_expires_at is empty",
        ),
        (
            {"audio_storage_key": None, "live_storage_key": None},
            "key_when_uploaded",
            "audio_storage_key is empty",
        ),
        *(
            ({"audio_storage_key": key}, "storage_key", f"audio_storage_key {key}"[:200])
            for key in (
                "video/m.wav",
                "/audio/m.wav",
                "audio/",
                "audio/../m.wav",
                "audio/u/./m.wav",
                "audio/u/..",
                "audio/u\n/m.wav",
                "x" * 1000,
                "50%'; DROP TABLE broken; --%(rule)s",
            )
        ),
        *(
            ({"audio_storage_key": key}, "storage_key", f"storage_key_bytes {len(key.encode())}")
            for key in ("audio/" + "x" * 1019, "audio/" + "\u3000" * 340, "video/\n" + "x" * 1018)
        ),
    ],
)
def test_one_bad_message_is_counted_and_noted(connection, columns, rule, observed):
    add_message(connection, "bad", **columns)
    add_message(connection, "good")
    assert broken(validate(connection)) == {rule: 1}
    assert noted(connection) == [(rule, observed)]


@pytest.mark.parametrize(
    "key",
    [
        "audio/u/c/m..wav",
        "audio/u/.hidden/m.wav",
        "audio/ü/日本 1%.wav",
        "audio/" + "x" * 1018,
        "audio/" + "😀" * 254,
    ],
    ids=lambda key: key[:30],
)
def test_odd_keys_are_keys(connection, key):
    add_message(connection, audio_storage_key=key)
    assert not broken(validate(connection))


@pytest.mark.parametrize(
    ("columns", "rule", "observed"),
    [
        ({"overall_accuracy_score": -1}, "accuracy_range", "overall_accuracy_score -1"),
        ({"overall_fluency_score": 101}, "fluency_range", "overall_fluency_score 101"),
        ({"speech_rate_wpm": -1}, "analysis_rates_range", "speech_rate_wpm -1"),
        ({"articulation_rate_wpm": -1}, "articulation_rate_range", "articulation_rate_wpm -1"),
        ({"total_speech_duration_ms": -1}, "speech_duration_range", "total_speech_duration_ms -1"),
        ({"total_pause_duration_ms": -1}, "pause_duration_range", "total_pause_duration_ms -1"),
        ({"pause_count": -1}, "pause_count_range", "pause_count -1"),
        ({"hesitation_count": -1}, "hesitation_count_range", "hesitation_count -1"),
        ({"average_pause_duration_ms": -1}, "average_pause_range", "average_pause_duration_ms -1"),
        ({"longest_pause_duration_ms": -1}, "longest_pause_range", "longest_pause_duration_ms -1"),
        ({"analysis_duration_ms": -1}, "analysis_duration_range", "analysis_duration_ms -1"),
        ({"analysis_language": "English"}, "analysis_language", "analysis_language English"),
        (
            {"overall_accuracy_score": None},
            "scores_when_error_free",
            "overall_accuracy_score is empty",
        ),
    ],
)
def test_one_bad_analysis_is_counted_and_noted(connection, columns, rule, observed):
    add_analysis(connection, "bad", **columns)
    add_analysis(connection, "good")
    assert broken(validate(connection)) == {rule: 1}
    assert noted(connection) == [(rule, observed)]


def test_language_codes_may_name_script_and_region(connection):
    for language in ("ja", "pt-BR", "zh-Hant-TW"):
        add_analysis(connection, language, analysis_language=language)
    assert not broken(validate(connection))


def test_messages_that_share_an_object_are_all_noted(connection):
    for message_id in ("a", "b"):
        add_message(connection, message_id, live_storage_key="audio/shared.wav")
    add_message(connection, "alone")
    assert broken(validate(connection)) == {"storage_key_unique": 2}
    rows = connection.execute(sa.text("SELECT message_id, rule FROM broken ORDER BY 1"))
    assert rows.all() == [("a", "storage_key_unique"), ("b", "storage_key_unique")]


def test_a_message_with_two_analyses_is_noted(connection):
    add_analysis(connection, "m")
    add_analysis(connection, "m")
    assert broken(validate(connection)) == {"message_id_unique": 2}
    assert noted(connection) == [("message_id_unique", "message_id m")] * 2


def test_rules_of_some_states_look_at_these_alone(connection):
    add_message(connection, "analysed")
    add_message(connection, "failed", audio_processing_state="failed", pronunciation_score=None)
    add_message(
        connection,
        "deleted",
        audio_storage_key=None,
        audio_retention_expires_at=None,
        deleted=True,
    )
    add_analysis(connection, "failed", analysis_error="no speech", overall_accuracy_score=None)
    add_analysis(connection, "analysed")
    counts = validate(connection).counts
    assert counts["scores_when_analyzed"] == Counts(2, 0)
    assert counts["key_when_uploaded"] == Counts(1, 0)
    assert counts["expiry_when_uploaded"] == Counts(2, 0)
    assert counts["scores_when_error_free"] == Counts(1, 0)


def test_only_rows_that_need_a_value_are_reported_without_one(connection):
    empty = {"fluency_score": None, "audio_retention_expires_at": None}
    add_message(connection, "analysed", **empty)
    add_message(connection, "failed", audio_processing_state="failed", **empty)
    add_message(connection, "typed", audio_processing_state="pending", audio_storage_key=None)
    add_message(connection, "deleted", audio_storage_key=None, deleted=True)
    add_message(connection, "lost", audio_storage_key=None)
    add_analysis(connection, "failed", analysis_error="no speech", overall_accuracy_score=None)
    add_analysis(connection, "analysed", overall_accuracy_score=None)
    add_analysis(connection, "unscored", overall_accuracy_score=None, analysis_engine="dtw")
    validate(connection)
    rows = connection.execute(sa.text("SELECT rule, message_id FROM broken ORDER BY 1, 2"))
    assert rows.all() == [
        ("expiry_when_uploaded", "analysed"),
        ("expiry_when_uploaded", "failed"),
        ("key_when_uploaded", "lost"),
        ("scores_when_analyzed", "analysed"),
        ("scores_when_error_free", "analysed"),
    ]


def test_empty_rows_break_only_rules_about_empty_values(connection):
    add(connection, "checked_message", message_id="m")
    add(connection, "checked_analysis", message_id="m", analysis_engine="")
    assert broken(validate(connection)) == {"processing_state": 1, "scores_when_error_free": 1}


def test_all_bad_rows_are_reported(connection):
    for number in range(250):
        add_message(connection, f"m{number}", pronunciation_score=-1, audio_format="tape")
    assert broken(validate(connection)) == {"pronunciation_score_range": 250, "audio_format": 250}
    assert len(noted(connection)) == 500


def test_invariants_are_counted_and_left_to_be_noted(connection):
    add_message(connection, quick_scores="pronunciation_score 80, overall_accuracy_score 75")
    add_analysis(connection, longest_pause="longest 700 ms, all 600 ms")
    assert broken(validate(connection)) == {"quick_scores": 1, "longest_pause": 1}
    assert not noted(connection)


def test_a_rule_that_could_not_be_evaluated_does_not_count_as_passed(connection):
    connection.execute(sa.text("ALTER TABLE checked_message DROP COLUMN quick_scores"))
    with pytest.raises(RulesUnanswered) as refusal:
        validate(connection)
    assert refusal.value.rules == ("quick_scores",)


def test_a_column_of_another_type_is_reported_without_its_values(connection):
    connection.execute(
        sa.text("ALTER TABLE checked_message ALTER COLUMN pronunciation_score TYPE text")
    )
    add_message(connection, pronunciation_score="Meine Oma")
    with pytest.raises(RulesUnanswered) as refusal:
        validate(connection)
    assert "pronunciation_score_range" in refusal.value.rules
    shown = f"{refusal.value!r} {refusal.value.__cause__!r} {refusal.value.__context__!r}"
    assert "Oma" not in shown


def test_a_lost_connection_is_reported_as_such(connection, administrator):
    process = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    administrator.execute("SELECT pg_terminate_backend(%s, 10000)", (process,))
    with pytest.raises(OperationalError):
        validate(connection)


def test_the_transaction_stays_the_callers(engine, connection):
    connection.execute(sa.text("INSERT INTO users (email) VALUES ('hana@example.org')"))
    validate(connection)
    with engine.connect() as other:
        assert not other.execute(sa.text("SELECT count(*) FROM users")).scalar_one()
    assert connection.execute(sa.text("SELECT count(*) FROM users")).scalar_one() == 1
    assert connection.execute(sa.text("SELECT count(*) FROM checked_message")).scalar_one() == 0


def test_results_hold_neither_address_nor_rows(connection, postgres):
    add_message(connection, "secret-id", audio_format="Meine Oma")
    text = json.dumps(validate(connection).results)
    url = sa.make_url(postgres.url())
    assert "Oma" not in text
    assert "secret-id" not in text
    assert "SELECT" not in text
    assert url.password not in text
    assert str(url.port) not in text


def test_nothing_is_printed(connection, capfd):
    add_message(connection)
    validate(connection)
    assert capfd.readouterr() == ("", "")


_WATCHED = """
import sys
calls = []
sys.addaudithook(lambda event, arguments: calls.append(event))
from stores import database
from tests.support.checked_tables import checked_tables, validate
with checked_tables(database.connect(sys.argv[1])) as connection:
    validate(connection)
print([call for call in calls if call in ("socket.connect", "socket.sendto", "socket.getaddrinfo")])
"""


def test_it_opens_no_connection_and_leaves_no_file(database_url, tmp_path):
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, database_url],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not list(tmp_path.iterdir())
