import os
import shutil
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import psutil
import psycopg
import pytest

from local import postgres_home
from local.postgres import PostgresFailed, PostgresServer

FAST = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture
def folder():
    """A folder that the server's user can reach; its server is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-tests-"))
    folder.chmod(0o711)
    yield folder / "postgres"
    PostgresServer(folder / "postgres").stop()
    shutil.rmtree(folder)


@pytest.fixture
def server(folder):
    """A running server of its own."""
    server = PostgresServer(folder, FAST)
    server.start()
    return server


def query(server, statement):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        return connection.execute(statement).fetchone()


def kill(server):
    """Kill -9 the server, and only it."""
    process = psutil.Process(server.pid)
    process.kill()
    process.wait(10)


def test_a_new_server_is_utf8_whatever_the_machines_locale(server):
    encoding, locale = query(
        server,
        "SELECT pg_encoding_to_char(encoding), datlocale FROM pg_database"
        " WHERE datname = 'postgres'",
    )
    assert (encoding, locale) == ("UTF8", "C.UTF-8")
    assert query(server, "SELECT upper('ß-é-ц')") == ("ß-É-Ц",)


def test_only_loopback_is_listened_on(server):
    assert query(server, "SHOW listen_addresses") == ("127.0.0.1",)
    assert query(server, "SHOW unix_socket_directories") == ("",)


def test_starting_twice_starts_once(server, folder):
    pid, url = server.pid, server.url()
    server.start()
    PostgresServer(folder).start()
    assert (server.pid, server.url()) == (pid, url)


def test_starting_at_once_starts_once(folder):
    threads = [threading.Thread(target=PostgresServer(folder, FAST).start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query(PostgresServer(folder), "SELECT 1") == (1,)


def test_data_and_password_survive_a_restart(server):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    password = server.url().split("@")[0]
    server.stop()
    assert not server.running
    server.stop()  # once more does nothing
    server.start()
    assert query(server, "SELECT value FROM kept") == (7,)
    assert server.url().split("@")[0] == password


def test_a_chosen_port_is_taken(folder, server):
    port = server.url().rpartition(":")[2].split("/")[0]
    server.stop()
    server.start(port=int(port))
    assert f":{port}/" in server.url()


def test_a_killed_server_starts_again_with_its_data(server):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    kill(server)
    assert not server.running
    server.start()
    assert query(server, "SELECT value FROM kept") == (7,)


def test_a_pid_file_that_names_a_stranger_does_the_stranger_no_harm(server, folder):
    lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    kill(server)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file = folder / "data" / "postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert not server.running
        server.stop()
        server.start()
        assert server.pid != stranger.pid
        assert stranger.poll() is None
        stranger.kill()
    assert query(server, "SELECT 1") == (1,)


def test_a_wrong_password_is_refused(server):
    url = server.url().replace("postgres:", "postgres:wrong", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_the_password_file_is_its_owners_alone(server, folder):
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600


def test_a_broken_off_creation_is_made_good(folder):
    (folder / "data.partial").mkdir(parents=True)
    (folder / "data.partial" / "PG_VERSION").write_text("18")
    server = PostgresServer(folder, FAST)
    server.start()
    assert query(server, "SELECT 1") == (1,)


def test_a_setting_that_postgres_does_not_know_is_told(folder):
    with pytest.raises(PostgresFailed, match="no_such_setting"):
        PostgresServer(folder, {"no_such_setting": "1"}).start()


def test_a_server_that_does_not_run_has_no_url(folder):
    server = PostgresServer(folder)
    assert server.pid is None
    server.stop()
    with pytest.raises(PostgresFailed, match="not running"):
        server.url()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_root_may_keep_the_server_in_a_private_folder(tmp_path, caplog, monkeypatch):
    outside = Path(tempfile.mkdtemp(prefix="kaiwa-tests-"))
    outside.chmod(0o711)
    monkeypatch.setattr(postgres_home, "OUTSIDE", outside)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for round_ in (1, 2):
        server = PostgresServer(private / "postgres", FAST)
        server.start()
        try:
            assert query(server, "SELECT 1") == (1,)
            assert psutil.Process(server.pid).username() == "nobody"
            assert caplog.text.count("its data is in") == round_
            # What the folder of the first round left outside was deleted with its folder.
            assert len(list(outside.glob("kaiwa-postgres-*"))) == 1
        finally:
            server.stop()
        shutil.rmtree(private / "postgres")
    shutil.rmtree(outside)


def test_ctrl_c_in_our_terminal_does_not_reach_the_server(server):
    assert os.getpgid(server.pid) != os.getpgid(0)
