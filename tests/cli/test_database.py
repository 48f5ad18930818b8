"""Output of `kaiwa-audio database`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import orjson
import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.support.app_database import (
    ALL_MIGRATIONS,
    MIGRATION_0023,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
)

COMMANDS = (["doctor"], ["upgrade"], ["upgrade", "--dry-run"], ["rollback", "--yes"])
KAIWA_AUDIO = Path(sys.executable).with_name("kaiwa-audio")


@pytest.fixture
def run(monkeypatch):
    """Run a command with or without a database."""

    def _run(url, *arguments, **options):
        monkeypatch.delenv("DATABASE_URL", raising=False)
        if url is not None:
            monkeypatch.setenv("DATABASE_URL", url)
        done = CliRunner().invoke(app, ["database", *arguments], **options)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return _run


@pytest.fixture
def half(empty_database_url):
    """URL of the app's database as it is in production, with texts."""
    make(empty_database_url, *ALL_MIGRATIONS)
    add_texts(empty_database_url)
    return empty_database_url


def state(url):
    return catalogue(url), contents(url)


def test_a_new_database_is_adopted_and_again_is_no_error(run, empty_database_url):
    first = run(empty_database_url, "upgrade")
    assert first.exit_code == 0
    assert "The database matches the documented schema." in first.output
    again = run(empty_database_url, "upgrade")
    assert again.exit_code == 0
    assert again.output == "Nothing to do: the database matches the documented schema.\n"


def test_the_doctor_reports_differences_until_there_are_none(run, half):
    before = state(half)
    done = run(half, "doctor")
    assert done.exit_code == 1
    assert "messages.audio_duration_ms" in done.stdout
    assert "upgrade --dry-run" in done.stdout
    assert state(half) == before
    assert run(half, "upgrade").exit_code == 0
    done = run(half, "doctor")
    assert done.exit_code == 0
    assert "revisions of our own tables: none" in done.stdout


@pytest.mark.parametrize("statements", [(), (TABLES,), (TABLES, MIGRATION_0023)])
def test_the_doctors_report_is_one_json_document(run, empty_database_url, statements):
    make(empty_database_url, *statements)
    done = run(empty_database_url, "doctor", "--json")
    assert done.exit_code == 1
    report = orjson.loads(done.stdout)
    assert not report["is_documented"]
    assert report["obstacles"] == []
    assert {finding["is_as_documented"] for finding in report["findings"]} >= {False}
    assert done.stderr == ""


def test_a_dry_run_says_what_it_would_do_and_does_nothing(run, half):
    before = state(half)
    done = run(half, "upgrade", "--dry-run")
    assert done.exit_code == 0
    assert "Change messages:" in done.stdout
    assert "Nothing was changed." in done.stdout
    assert state(half) == before


def test_obstacles_are_reported_and_nothing_is_changed(run, half):
    make(half, "CREATE VIEW scores AS SELECT pronunciation_score FROM messages")
    before = state(half)
    for arguments in (["upgrade"], ["upgrade", "--dry-run"]):
        done = run(half, *arguments)
        assert done.exit_code == 1
        assert "Nothing was changed" in done.stderr
        assert "view scores uses it: drop that" in done.stderr
        assert done.stdout == ""
    done = run(half, "doctor")
    assert done.exit_code == 1
    assert "Blocks the upgrade" in done.stdout
    assert state(half) == before


def test_a_rollback_asks_first_and_restores_everything(run, half):
    before = state(half)
    run(half, "upgrade")
    adopted = state(half)
    for answer in ("n\n", ""):
        done = run(half, "rollback", input=answer)
        assert done.exit_code == 1
        assert state(half) == adopted
    done = run(half, "rollback", input="y\n")
    assert done.exit_code == 0
    assert "Restored in" in done.stdout
    assert state(half) == before
    run(half, "rollback", "--yes")
    assert state(half) == before


@pytest.mark.parametrize("confirmation", [("--yes",), ()])
def test_a_rollback_where_nothing_was_adopted_says_so_before_it_asks(run, half, confirmation):
    done = run(half, "rollback", *confirmation)
    assert (done.exit_code, done.output) == (0, "Nothing to restore.\n")


def test_analyses_go_only_if_it_is_said(run, empty_database_url):
    make(empty_database_url, TABLES)
    add_texts(empty_database_url, "audio_duration")
    run(empty_database_url, "upgrade")
    make(empty_database_url, "INSERT INTO message_audio_analysis (message_id) VALUES ('whole')")
    before = state(empty_database_url)
    done = run(empty_database_url, "rollback", "--yes")
    assert done.exit_code == 1
    assert "1 analysis." in done.stderr
    assert "--drop-analyses" in done.stderr
    assert state(empty_database_url) == before
    assert run(empty_database_url, "rollback", "--yes", "--drop-analyses").exit_code == 0


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "DATABASE_URL: Field required"),
        ("mysql://root:s3cret@localhost/app", "not a Postgres URL"),
        ("postgresql://root:s3cret@localhost:abc/app", "not a Postgres URL"),
        ("postgresql://root:s3cret@127.0.0.1:9/app", "The database does not answer"),
        ("postgresql://root:s3cret@127.0.0.1:9/app?schema=public", "invalid connection option"),
    ],
)
def test_configuration_errors_are_reported_in_a_few_lines_without_the_password(
    run, url, message, arguments
):
    done = run(url, *arguments)
    assert done.exit_code == (2 if arguments == ["doctor"] else 1)
    assert message in done.stderr
    assert done.stdout == ""
    assert "s3cret" not in done.output
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_server_that_rejects_the_login_is_reported_with_its_reason(run, postgres, arguments):
    password = postgres.url().partition("postgres:")[2].partition("@")[0]
    for url, message in (
        (postgres.url().replace(password, "s3cret"), "password authentication failed"),
        (postgres.url("no_such_database"), 'database "no_such_database" does not exist'),
    ):
        done = run(url, *arguments)
        assert done.exit_code == (2 if arguments == ["doctor"] else 1)
        assert message in done.stderr
        assert "Check DATABASE_URL" in done.stderr
        assert not {"s3cret", password} & set(done.output.replace("@", " ").split())
        assert len(done.stderr.splitlines()) <= 3


def test_a_database_with_an_odd_name_is_adopted(run, postgres, administrator):
    name = f'it\'s 100%25 "odd" {uuid4().hex[:8]}'
    quoted = '"' + name.replace('"', '""') + '"'
    administrator.execute(f"CREATE DATABASE {quoted} TEMPLATE template0")
    try:
        url = postgres.url(quote(name))
        assert run(url, "upgrade").exit_code == 0
        assert run(url, "doctor").exit_code == 0
        assert run(url, "rollback", "--yes").exit_code == 0
    finally:
        administrator.execute(f"DROP DATABASE {quoted} WITH (FORCE)")


def test_the_flows_role_may_ask_the_doctor(run, administrator, half):
    run(half, "upgrade")
    assert run(half, "grant").output == "Granted: deployments/grants.sql.\n"
    login = f"odd-batch-{uuid4().hex[:8]}"
    administrator.execute(f"CREATE ROLE \"{login}\" LOGIN PASSWORD 'odd' IN ROLE kaiwa_audio")
    password = half.partition("postgres:")[2].partition("@")[0]
    url = half.replace(f"postgres:{password}", f"{login}:odd")
    try:
        done = run(url, "doctor")
        assert done.exit_code == 0
        assert f"connected as {login}" in done.stdout
        assert f"The role {login} does not own messages" in done.stdout
        done = run(url, "upgrade")
        assert done.exit_code == 1
        assert "does not own messages" in done.stderr
        done = run(url, "grant")
        assert done.exit_code == 1
        assert f"The role {login} may not grant these rights" in done.stderr
        make(half, "REVOKE SELECT ON messages FROM kaiwa_audio")
        done = run(url, "doctor")
        assert done.exit_code == 2
        assert "permission denied for table messages" in done.stderr
        assert len(done.stderr.splitlines()) == 2
    finally:
        administrator.execute(f'DROP ROLE "{login}"')


def test_the_rights_to_export_findings_are_granted_only_on_request(run, database_url):
    query = "SELECT has_table_privilege('kaiwa_audio', 'analysis_findings', 'INSERT')"
    for options, granted in ((["grant"], False), (["grant", "--export-findings"], True)):
        assert run(database_url, *options).exit_code == 0
        with psycopg.connect(database_url) as connection:
            assert connection.execute(query).fetchone() == (granted,)


@pytest.mark.parametrize(
    ("isolation", "table", "message"),
    [
        ("READ COMMITTED", "messages", "Waiting for messages: pid"),
        ("REPEATABLE READ", "users", "Waiting for the end of a transaction"),  # for an index
    ],
)
def test_a_wait_can_be_interrupted_and_resumed(run, half, isolation, table, message):
    command = [KAIWA_AUDIO, "database", "upgrade"]
    environment = os.environ | {"DATABASE_URL": half}
    with psycopg.connect(half) as reader:
        reader.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        reader.execute(f"SELECT count(*) FROM {table}")
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while message not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - began < 20
    assert process.returncode != 0
    assert "Traceback" not in stdout + stderr
    assert run(half, "upgrade").exit_code == 0
    assert run(half, "doctor").exit_code == 0
