"""Servers that are refused: too old, read-only, or a standby."""

import dataclasses
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from local.postgres import PostgresServer
from local.postgres_home import binaries, find_home, prepare_home, server_account
from migrations import run
from migrations.adoption import live
from tests.migrations.adoption.conftest import assert_refused
from tests.support.app_database import HALF, make


@pytest.fixture
def standby(postgres, database_url):
    """A standby of the tests' server, which contains `database_url`."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-standby-"))
    folder.chmod(0o711)  # run as root, the server is another user
    # It only starts with at least as many connections as the primary allows.
    server = PostgresServer(folder, {"fsync": "off", "max_connections": "200"})
    prepare_home(folder)
    home, account = find_home(folder), server_account()
    copy = ["--pgdata", home / "data", "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]
    subprocess.run(
        [binaries(home) / "pg_basebackup", "--dbname", postgres.url(), *copy],
        check=True,
        cwd=home,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )
    (home / "password").write_text(find_home(postgres.folder).joinpath("password").read_text())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_server_older_than_13_is_refused(url, monkeypatch):
    make(url, *HALF)
    read = live.read
    monkeypatch.setattr(
        live, "read", lambda c: dataclasses.replace(read(c), server_version=120_022)
    )
    assert_refused(url, "This is Postgres 12; 13 or newer is needed")
    assert "Postgres 12" in run.examine(url).obstacles[0]


def test_a_read_only_server_is_refused_and_still_examined(url, administrator):
    make(url, *HALF)
    name = url.rpartition("/")[2]
    run.upgrade(url)
    administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for command in (run.upgrade, run.rollback):
        assert_refused(url, "This server takes no writes", command)
    assert run.examine(url).is_documented


def test_a_standby_is_refused_and_still_examined(standby, database_url):
    url = standby.url(database_url.rpartition("/")[2])
    for command in (run.upgrade, run.rollback):
        assert_refused(url, "This server takes no writes, as replicas do not", command)
    assert run.examine(url).is_documented
