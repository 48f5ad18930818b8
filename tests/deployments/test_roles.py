"""compose.yaml's Postgres: a role for each job, on new volumes and those of earlier versions."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deployments.grants import grant
from local.postgres import PostgresServer
from local.postgres_home import binaries, find_home
from local.prefect import PROJECT
from migrations import run
from tests.support import containers
from tests.support.app_database import ALL_MIGRATIONS, add_texts, contents, make

PASSWORDS = {
    "POSTGRES_PASSWORD": "supersecret",
    "KAIWA_OWNER_PASSWORD": "ownersecret",
    "KAIWA_BATCH_PASSWORD": "batchsecret",
    "PREFECT_DATABASE_PASSWORD": "prefectsecret",
}
OTHERS = {
    "BUCKET_ROOT_USER": "root",
    "BUCKET_ROOT_PASSWORD": "rootsecret",
    "TIGRIS_ACCESS_KEY_ID": "key",
    "TIGRIS_SECRET_ACCESS_KEY": "s3cret",
    "PREFECT_AUTH": "admin:p5",
}
# As left by versions in which everything ran as the superuser, and what other apps may have.
SUPERUSERS_OBJECTS = """
CREATE EXTENSION vector;
CREATE TABLE part (day date, number serial) PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE SEQUENCE "Odd name";
CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one;
CREATE TYPE mood AS ENUM ('good');
CREATE DOMAIN score AS integer CHECK (value < 101);
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE days AS RANGE (subtype = date);
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * $1';
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer);
"""
OWNED_BY_SUPERUSERS = """
SELECT identity FROM (
    SELECT 'pg_namespace'::regclass AS class, oid AS object, nspowner AS owner FROM pg_namespace
    UNION ALL SELECT 'pg_class', oid, relowner FROM pg_class WHERE relkind NOT IN ('i', 'I', 't')
    UNION ALL SELECT 'pg_proc', oid, proowner FROM pg_proc
    UNION ALL SELECT 'pg_type', oid, typowner FROM pg_type
) AS owned JOIN pg_roles ON pg_roles.oid = owner, pg_identify_object(class, object, 0)
WHERE rolsuper AND object >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE objid = object AND classid = class AND refobjid <> object AND deptype IN ('e', 'i')
) AND identity NOT LIKE 'vector%'  -- the types that an extension's types bring along
"""


class Volume:
    """A Postgres as compose.yaml starts it, whose superuser is `kaiwa`."""

    def __init__(self, folder):
        self.server = PostgresServer(folder, {"log_statement": "all"})
        self.server.start()
        make(
            self.server.url(),
            f"CREATE ROLE kaiwa SUPERUSER LOGIN PASSWORD '{PASSWORDS['POSTGRES_PASSWORD']}'",
            "CREATE DATABASE kaiwa OWNER kaiwa",
        )

    def url(self, role, password, database="kaiwa"):
        _, _, place = self.server.url(database).partition("@")
        return f"postgresql://{role}:{password}@{place}"

    def superuser(self, database="kaiwa"):
        return self.url("kaiwa", PASSWORDS["POSTGRES_PASSWORD"], database)

    def owner(self):
        return self.url("kaiwa_owner", PASSWORDS["KAIWA_OWNER_PASSWORD"])

    def batch(self, database="kaiwa"):
        return self.url("kaiwa_batch", PASSWORDS["KAIWA_BATCH_PASSWORD"], database)

    def prefect(self, database="prefect"):
        return self.url("prefect", PASSWORDS["PREFECT_DATABASE_PASSWORD"], database)

    def create_roles(self, **changed):
        """Run the service `roles` of compose.yaml."""
        service = containers.compose(PASSWORDS | OTHERS | changed)["services"]["roles"]
        programs = binaries(find_home(self.server.folder))
        command = [
            word.replace("/roles.sql", str(PROJECT / "deployments" / "roles.sql"))
            for word in service["command"]
        ]
        host, _, port = self.server.url().partition("@")[2].partition("/")[0].partition(":")
        environment = service["environment"] | {"PGHOST": host, "PGPORT": port}
        environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def new_volume():
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-roles-"))
    folder.chmod(0o711)  # run as root, the server is another user
    volume = Volume(folder)
    yield volume
    volume.server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def volume():
    with new_volume() as volume:
        yield volume


@pytest.fixture(scope="module")
def upgraded():
    """A volume after the services `roles` and `bootstrap`."""
    with new_volume() as volume:
        volume.create_roles()
        run.upgrade(volume.owner())
        grant(volume.owner())
        yield volume


def ask(url, query):
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def test_on_a_new_volume_each_role_can_do_its_job_and_no_other(upgraded):
    assert ask(upgraded.superuser(), "SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY 1") == [
        "kaiwa",
        "postgres",  # of the test's server, not of compose.yaml
    ]
    attributes = (
        "SELECT rolname FROM pg_roles WHERE (rolcreaterole OR rolcreatedb OR rolreplication"
        " OR rolbypassrls) AND NOT rolsuper"
    )
    assert ask(upgraded.superuser(), attributes) == []
    assert ask(upgraded.batch(), "SELECT count(*) FROM messages") == [0]
    make(upgraded.prefect(), "CREATE TABLE flow_run (id integer)", "DROP TABLE flow_run")
    for url in (upgraded.batch("prefect"), upgraded.batch("postgres"), upgraded.prefect("kaiwa")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url)


@pytest.mark.parametrize(
    "attack",
    [
        "SET ROLE kaiwa",
        "SET ROLE kaiwa_owner",
        "CREATE ROLE mine SUPERUSER",
        "ALTER ROLE kaiwa_owner PASSWORD 'mine'",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "DROP TABLE messages",
        "ALTER TABLE messages DISABLE TRIGGER ALL",
        "SELECT FROM pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "CREATE FUNCTION mine() RETURNS void LANGUAGE c AS 'libc', 'exit'",
        "ALTER SYSTEM SET log_statement = 'all'",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kaiwa'",
    ],
)
def test_the_worker_cannot(upgraded, attack):
    with (
        psycopg.connect(upgraded.superuser()),  # a session to terminate
        psycopg.connect(upgraded.batch(), autocommit=True) as connection,
        pytest.raises(psycopg.Error, match=r"permission denied|must be owner") as refused,
    ):
        connection.execute(attack)
    assert refused.value.sqlstate == "42501"


def test_a_volume_of_the_superuser_is_handed_over_with_its_rows(volume):
    make(volume.superuser(), *ALL_MIGRATIONS)
    add_texts(volume.superuser())
    run.upgrade(volume.superuser())
    make(volume.superuser(), SUPERUSERS_OBJECTS, "CREATE DATABASE prefect")
    make(volume.superuser("prefect"), "CREATE TABLE flow_run (id integer)", SUPERUSERS_OBJECTS)
    before = contents(volume.superuser())
    assert ask(volume.superuser(), OWNED_BY_SUPERUSERS)

    volume.create_roles()
    volume.create_roles()  # as each start does
    for database in ("kaiwa", "prefect"):
        assert ask(volume.superuser(database), OWNED_BY_SUPERUSERS) == []
    assert contents(volume.owner()) == before
    make(volume.owner(), "ALTER TABLE part ADD COLUMN more text", 'DROP SEQUENCE "Odd name"')
    make(volume.prefect(), "DROP TABLE flow_run")
    assert not run.upgrade(volume.owner()).done
    grant(volume.owner())
    assert ask(volume.batch(), "SELECT count(*) FROM messages") == [len(before["messages"])]


def test_the_owner_cannot_lend_the_superuser_its_functions(volume):
    # Functions of the same name whose types fit better would run with the superuser's rights.
    volume.create_roles()
    body = "LANGUAGE plpgsql AS $$BEGIN ALTER ROLE kaiwa_owner SUPERUSER; RETURN NULL; END$$"
    make(
        volume.owner(),
        f"CREATE FUNCTION public.format(text, text, text, regrole) RETURNS text {body}",
        f"CREATE FUNCTION public.format(text, text) RETURNS text {body}",
        f"CREATE FUNCTION public.quote_ident(name) RETURNS text {body}",
    )
    make(volume.superuser(), "CREATE TABLE of_the_superuser ()")
    volume.create_roles()
    assert ask(
        volume.superuser(), "SELECT usesuper FROM pg_user WHERE usename = 'kaiwa_owner'"
    ) == [False]


def test_a_password_that_is_changed_in_the_settings_is_changed_in_the_database(volume):
    volume.create_roles()
    volume.create_roles(KAIWA_BATCH_PASSWORD="another")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(volume.batch())
    assert ask(volume.url("kaiwa_batch", "another"), "SELECT 1") == [1]


def test_no_password_reaches_the_servers_log(volume):
    volume.create_roles()
    log = (volume.server.folder / "server.log").read_text()
    assert "SET log_statement = none" in log  # until then every statement is logged
    for name in ("KAIWA_OWNER_PASSWORD", "KAIWA_BATCH_PASSWORD", "PREFECT_DATABASE_PASSWORD"):
        assert PASSWORDS[name] not in log
