"""Roles that lack a right are refused; a member of the owner adopts."""

import re
from uuid import uuid4

import psycopg
import pytest

from migrations import run
from tests.migrations.adoption.conftest import assert_refused
from tests.support.app_database import HALF, READ, TABLES, add_texts, make, numbers


@pytest.fixture
def add_role(administrator, url):
    """Create a login role with an odd name and rights on the test's database; return its URL."""
    roles = []

    def _add_role(*statements):
        role = f"odd-role-{uuid4().hex[:8]}"
        roles.append(role)
        administrator.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'odd'")
        make(url, *(statement.format(f'"{role}"') for statement in statements))
        return re.sub("//.*@", f"//{role}:odd@", url)

    yield _add_role
    for role in roles:
        make(url, f'REASSIGN OWNED BY "{role}" TO postgres', f'DROP OWNED BY "{role}"')
        administrator.execute(f'DROP ROLE "{role}"')


def _own_all(role):
    return f"""
        DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('ALTER TABLE %I OWNER TO {role}', t);
            END LOOP;
        END $$"""


def _role(url):
    return url.partition("//")[2].partition(":")[0]


def test_a_role_that_does_not_own_the_tables_is_refused(url, add_role):
    make(url, *HALF)
    other = add_role("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    assert_refused(other, "does not own messages", owner_url=url)
    assert_refused(other, "may not create the schema audio_ops", owner_url=url)
    assert_refused(other, "may not create tables and indexes in the schema public", owner_url=url)


def test_a_role_that_may_not_read_gets_an_error(url, add_role):
    make(url, *HALF)
    other = add_role()
    assert_refused(other, "does not own messages", owner_url=url)
    with pytest.raises(Exception, match="permission denied for table messages"):
        run.examine(other)


def test_a_member_of_the_owner_adopts_and_leaves_the_analyses_to_the_owner(url, add_role):
    make(url, TABLES, "CREATE ROLE app_owner NOLOGIN", "GRANT CREATE ON SCHEMA public TO app_owner")
    try:
        make(url, _own_all("app_owner"))
        other = add_role(
            "GRANT app_owner TO {}",
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO"
            " {}', current_database()); END $$",
        )
        run.upgrade(other)
        run.check(url)
        with psycopg.connect(url) as connection:
            owner = connection.execute(
                "SELECT tableowner FROM pg_tables WHERE tablename = 'message_audio_analysis'"
            ).fetchone()
        assert owner == ("app_owner",)
        run.rollback(other)
    finally:
        make(url, "REASSIGN OWNED BY app_owner TO postgres", "DROP OWNED BY app_owner")
        make(url, "DROP ROLE app_owner")


def test_a_role_that_does_not_own_our_schema_is_refused(adopted, add_role):
    other = add_role("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    make(adopted, f'GRANT USAGE ON SCHEMA audio_ops TO "{_role(other)}"')
    make(adopted, f'GRANT SELECT ON ALL TABLES IN SCHEMA audio_ops TO "{_role(other)}"')
    for command in (run.upgrade, run.rollback):
        assert_refused(other, "does not own all tables in the schema audio_ops", command, adopted)


def test_a_role_from_which_row_security_hides_rows_is_refused(url, add_role):
    make(url, *HALF)
    add_texts(url)
    other = add_role("GRANT CREATE ON SCHEMA public TO {}", "CREATE SCHEMA audio_ops")
    make(
        url,
        _own_all(f'"{_role(other)}"'),
        f'ALTER SCHEMA audio_ops OWNER TO "{_role(other)}"',
        "ALTER TABLE messages ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE messages FORCE ROW LEVEL SECURITY",
        "CREATE POLICY tutors ON messages USING (role = 'assistant')",
    )
    assert_refused(other, "Row security hides rows of messages", owner_url=url)
    make(url, "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY")
    run.upgrade(other)
    assert numbers(url) == READ
