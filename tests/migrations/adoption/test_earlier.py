"""Databases that an earlier version of this project migrated."""

from migrations import run
from tests.support.app_database import HALF, add_texts, make, numbers


def test_texts_misread_by_an_earlier_version_are_read_again(url):
    make(url, *HALF)
    add_texts(url)
    make(
        url,
        "CREATE SCHEMA audio_ops",
        "CREATE TABLE audio_ops.alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO audio_ops.alembic_version VALUES ('0002')",
        "CREATE TABLE audio_ops.audio_columns_step (step text PRIMARY KEY)",
        "INSERT INTO audio_ops.audio_columns_step VALUES"
        " ('cast audio_duration_ms'), ('cast pronunciation_score')",
        "CREATE TABLE audio_ops.parked_text (message_id text NOT NULL REFERENCES messages"
        " ON DELETE CASCADE, column_name text NOT NULL, value text NOT NULL,"
        " PRIMARY KEY (message_id, column_name))",
        "INSERT INTO audio_ops.parked_text VALUES ('bare', 'audio_duration_ms', '5.2'),"
        " ('bare', 'pronunciation_score', '5.2'), ('clock', 'pronunciation_score', '0.85'),"
        " ('seconds', 'audio_duration_ms', '5.2s'), ('comma', 'pronunciation_score', '0,85')",
        "ALTER TABLE messages ALTER audio_duration_ms TYPE integer USING"
        " CASE id WHEN 'bare' THEN 5 END, ALTER pronunciation_score TYPE integer USING"
        " CASE id WHEN 'bare' THEN 5 WHEN 'clock' THEN 1 WHEN 'comma' THEN 77 END",
    )
    run.upgrade(url)
    now = numbers(url)
    assert (now["bare"], now["clock"]) == ((None, None), (None, 85))
    assert now["seconds"][0] == 5200
    assert now["comma"][1] == 77  # written since
    run.rollback(url)
    assert numbers(url)["bare"] == ("5.2", "5.2")


def test_a_database_that_an_earlier_version_migrated_is_examined(url):
    for version, pending in (("0002", "0003"), ("0004", "0005")):
        make(
            url,
            "CREATE SCHEMA audio_ops; CREATE TABLE audio_ops.alembic_version (version_num text)",
            f"INSERT INTO audio_ops.alembic_version VALUES ('{version}')",
        )
        assert run.examine(url).pending[0] == pending
        make(url, "DROP SCHEMA audio_ops CASCADE")
