"""Processes that outlive the command that starts them, and that a later command can stop.

Each runs in a session of its own, logs to `FOLDER/logs/NAME.log` and is recorded in
`FOLDER/run/NAME.json`. A record counts only while the process of that id still has the recorded
start time, so a stranger that got the id later is never signalled. What no record covers (a
grandchild, or a process whose starter was killed at once) carries the folder in its environment.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from schema.errors.base import KaiwaError

MARK = "KAIWA_LOCAL_FOLDER"  # names a process's folder in its environment
_TAIL_LINES = 15
_SAME_START_SECONDS = 1.0  # two readings of one start differ when the clock is stepped a little


class ServiceFailed(KaiwaError):
    """A server of the local stack ended or did not become ready."""

    name: str
    reason: str
    log: str
    tail: str

    def __str__(self) -> str:
        return f"{self.name} {self.reason}. The end of {self.log}:\n{self.tail or '(empty)'}"


class Service:
    """One named process of a folder, running or not.

    Args:
        name: Of the record and the log.
        folder: Where the stack's state lives, absolute.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._record = folder / "run" / f"{name}.json"
        self._log = folder / "logs" / f"{name}.log"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process with exactly this environment and the folder's mark."""
        for path in (self._record, self._log):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**environment, MARK: str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # this terminal's Ctrl-C is for the starter alone
            )
        started = psutil.Process(process.pid).create_time()
        self._record.write_text(json.dumps({"pid": process.pid, "started": started}))

    def wait_listening(self, port: int, *, timeout_seconds: float) -> None:
        """Wait until the process itself, not a stranger, listens on this port.

        Raises:
            ServiceFailed: If the process ends or the time is over; with the end of its log.
        """
        self.wait_ready(lambda: self._listens(port), timeout_seconds=timeout_seconds)

    def wait_ready(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait until `ready()` holds.

        Raises:
            ServiceFailed: If the process ends or the time is over; with the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if self.process() is None:
                raise ServiceFailed(self.name, "ended while starting", *self._log_tail())
            if time.monotonic() > deadline:
                reason = f"was not ready after {timeout_seconds:.0f} s"
                raise ServiceFailed(self.name, reason, *self._log_tail())
            time.sleep(0.05)

    def process(self) -> psutil.Process | None:
        """Return the live process; None when the record is missing, stale or a stranger's."""
        try:
            record = json.loads(self._record.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["started"]) < _SAME_START_SECONDS
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return process if same and not _ended(process) else None

    def stop(self, *, grace_seconds: float) -> None:
        """Stop the process: SIGTERM twice (a Prefect worker may need it), then SIGKILL.

        Whatever else is left in its session is killed with it.
        """
        process = self.process()
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        if not _wait_ended([process], grace_seconds / 2):
            _signal(process, signal.SIGTERM)
            _wait_ended([process], grace_seconds / 2)
        # While a member lives, the kernel gives the group's id to no other process.
        members = [p for p in psutil.process_iter() if _group(p) == process.pid]
        _kill([*members, process])
        self._record.unlink(missing_ok=True)

    def _listens(self, port: int) -> bool:
        process = self.process()
        if process is None:
            return False
        try:
            sockets = process.net_connections("tcp")
        except psutil.Error:  # it just ended
            return False
        return any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)

    def _log_tail(self) -> tuple[str, str]:
        """Return the log's path and its last lines."""
        lines = self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return str(self._log), "\n".join(lines)


def marked(folder: Path) -> list[psutil.Process]:
    """Return every live process that carries this folder's mark, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == str(folder)
        except (psutil.Error, OSError):  # other users' processes, or it just ended
            continue
        if ours and process.pid != os.getpid() and not _ended(process):
            found.append(process)
    return found


def kill_marked(folder: Path) -> int:
    """Kill what records do not cover; return how many processes that were."""
    strays = marked(folder)
    _kill(strays)
    return len(strays)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGKILL)
    _wait_ended(processes, 10)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil compares start times once more
    except psutil.NoSuchProcess:
        return


def _wait_ended(processes: Iterable[psutil.Process], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    left = list(processes)
    while left := [p for p in left if not _ended(p)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _ended(process: psutil.Process) -> bool:
    """Whether it is gone; a zombie counts, its parent may never collect it."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return not process.is_running()
        if process.ppid() == os.getpid():
            os.waitpid(process.pid, os.WNOHANG)
    except (psutil.NoSuchProcess, ChildProcessError):
        pass
    return True


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None
