"""A real PgBouncer before the test's Postgres."""

import secrets
import shutil
import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from local.ports import HOST

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
SETTINGS = {
    "timezone": "UTC",
    "search_path": "public",
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "5min",
    "jit": "off",
}


class PgBouncer:
    """Starts poolers for one role of a database, which `role_settings` applies to."""

    def __init__(self, folder, administrator, database_url):
        self._folder, self._administrator = folder, administrator
        self._direct = urlsplit(database_url)
        self.role, self._password = f"pooled_{secrets.token_hex(4)}", secrets.token_hex(8)
        self._started = []
        administrator.execute(
            f"CREATE ROLE {self.role} SUPERUSER LOGIN PASSWORD '{self._password}'"
        )

    def set_on_role(self, **settings):
        for name, value in settings.items():
            self._administrator.execute(f"ALTER ROLE {self.role} SET {name} = '{value}'")

    def start(self, mode, **options):
        """Start a pooler; return the database's URL through it."""
        with socket.create_server((HOST, 0)) as probe:
            port = probe.getsockname()[1]
        users = self._folder / "users.txt"
        users.write_text(f'"{self.role}" "{self._password}"\n')
        lines = {
            "listen_addr": HOST, "listen_port": port, "unix_socket_dir": "", "auth_type": "trust",
            "auth_file": users, "pool_mode": mode, **options,
        }  # fmt: skip
        described = self._folder / f"{mode}-{port}.ini"
        described.write_text(
            f"[databases]\n* = host={HOST} port={self._direct.port}\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in lines.items())
        )
        for path in (self._folder, users, described):
            path.chmod(0o755)
        # As root it refuses to run.
        command = [PROGRAM, "-q", "-u", "nobody", str(described)]
        self._started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        url = f"postgresql://{self.role}@{HOST}:{port}{self._direct.path}"
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    return url
            time.sleep(0.05)
        pytest.fail("PgBouncer did not start")

    def stop(self):
        for process in self._started:
            process.kill()
            process.wait()
        self._administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
            [self.role],
        )
        self._administrator.execute(f"DROP ROLE {self.role}")


@pytest.fixture
def pgbouncer(tmp_path_factory, administrator, database_url):
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed (on Debian: apt-get install pgbouncer)")
    folder = tmp_path_factory.mktemp("pgbouncer")
    for parent in list(folder.parents)[:2]:
        parent.chmod(0o711)
    pooler = PgBouncer(folder, administrator, database_url)
    yield pooler
    pooler.stop()
