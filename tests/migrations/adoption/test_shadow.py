"""Shadow columns avoid long locks of `messages`, with the same result."""

import psycopg
import pytest

from migrations import run
from migrations.adoption import shadow
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    READ,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
    numbers,
)
from tests.support.shadow_columns import MANY, SWAPPED, begin, in_shadow, outcome

BOTH_NAMES = (*ALL_MIGRATIONS, "ALTER TABLE messages ADD COLUMN audio_duration text")
WITHOUT_INDEX = (*HALF, "DROP INDEX messages_pronunciation_idx")
OTHER_INDEX = (
    *WITHOUT_INDEX,
    "CREATE INDEX messages_pronunciation_idx ON messages (pronunciation_score)",
)
STATES = {
    "before 0023": ((TABLES,), "audio_duration"),
    "after 0023": (HALF, "audio_duration_ms"),
    "all migrations": (ALL_MIGRATIONS, "audio_duration_ms"),
    "both names of the duration": (BOTH_NAMES, "audio_duration"),
    "one is a number already": (
        (*HALF, "ALTER TABLE messages ALTER pronunciation_score TYPE varchar(100)"),
        "audio_duration_ms",
    ),
    "no index on scores": (WITHOUT_INDEX, "audio_duration_ms"),
}


@pytest.mark.parametrize("state", STATES)
def test_shadow_columns_give_what_a_rewrite_gives(url, state):
    statements, duration = STATES[state]
    make(url, *statements)
    add_texts(url, duration)
    before = contents(url), catalogue(url)
    done = in_shadow(url)
    assert any(one.step.what.startswith(SWAPPED) for one in done.done)
    assert numbers(url) == READ
    run.check(url)
    assert run.upgrade(url, longest_lock_seconds=0) == run.Upgrade((), (), ())
    after = outcome(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == before
    run.upgrade(url)
    assert outcome(url) == after


def test_a_small_table_is_rewritten(url):
    make(url, *HALF)
    assert not any("audio_ops_" in step.what for step in run.preview(url).steps[:1])
    by_shadow = run.preview(url, longest_lock_seconds=0).steps
    assert by_shadow[0].what.startswith("Add to messages: audio_ops_audio_duration_ms")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX scores ON messages (pronunciation_score)",
        "ALTER TABLE messages ALTER pronunciation_score SET DEFAULT '0'",
    ],
)
def test_a_column_that_something_else_needs_is_not_replaced(url, statement):
    make(url, *HALF, statement)
    steps = run.preview(url, longest_lock_seconds=0).steps
    assert steps[0].what.startswith("Change messages: audio_duration_ms text")


def test_retyping_another_column_needs_only_one_rewrite(url):
    make(url, *HALF, "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint")
    assert run.preview(url, longest_lock_seconds=0).steps[0].what.startswith("Change messages")


def test_an_index_of_another_definition_is_built_as_documented(url):
    make(url, *OTHER_INDEX)
    add_texts(url)
    in_shadow(url)
    run.check(url)
    assert numbers(url) == READ


def test_rights_on_the_columns_stay(url, administrator):
    administrator.execute("DROP ROLE IF EXISTS score_reader")
    administrator.execute("CREATE ROLE score_reader")
    make(
        url,
        *HALF,
        "GRANT UPDATE (pronunciation_score), SELECT (audio_duration_ms) ON messages"
        " TO score_reader WITH GRANT OPTION",
        "GRANT SELECT (pronunciation_score) ON messages TO PUBLIC",
    )
    rights = """
        SELECT a.attname, CAST(r.grantee AS regrole)::text, r.privilege_type, r.is_grantable
        FROM pg_attribute AS a, aclexplode(a.attacl) AS r
        WHERE a.attrelid = 'messages'::regclass ORDER BY 1, 2, 3
    """
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(rights).fetchall()
        in_shadow(url)
        assert connection.execute(rights).fetchall() == before
        assert len(before) == 3
        connection.execute("DROP OWNED BY score_reader")
    administrator.execute("DROP ROLE score_reader")


def test_batches_take_all_rows_whatever_their_number(url):
    make(url, *HALF)
    add_texts(url)
    make(url, MANY)
    begin(url)
    seen = []
    run.upgrade(url, longest_lock_seconds=0, say=lambda what: seen.append((what, unread(url))))
    left = {what.partition(":")[0]: count for what, count in seen}
    assert left[SWAPPED] == 0
    assert shadow.BATCH_ROWS < 3500


def unread(url):
    query = """
        SELECT count(*) FROM messages AS m WHERE audio_duration_ms IS NOT NULL
            AND audio_ops_audio_duration_ms IS NULL AND NOT EXISTS (
                SELECT FROM audio_ops.parked_text WHERE message_id = m.id
                    AND column_name = 'audio_duration_ms')
    """
    with psycopg.connect(url) as connection:
        try:
            return connection.execute(query).fetchone()[0]
        except psycopg.errors.UndefinedColumn:
            return None
