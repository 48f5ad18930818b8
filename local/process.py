"""Processes that outlive the command that starts them, and that a later command can stop.

Each runs in its own session, logs to `FOLDER/logs/NAME.log` and is recorded in
`FOLDER/run/NAME.json`. A record is valid only while the process with that id has the recorded
start time, so another process that reuses the id is never signalled. Processes without a record
(a grandchild, or one whose starter was killed at once) are found by the folder in their
environment.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from local.private_files import make_private
from schema.errors.base import KaiwaError
from stores.report_files import write_file

MARK = "KAIWA_LOCAL_FOLDER"  # names a process's folder in its environment
_TAIL_LINES = 15
_SAME_START_SECONDS = 1.0  # two readings of one start differ when the clock is stepped a little


class ServiceFailed(KaiwaError):
    """A server of the local stack ended while starting, or was not ready in time."""

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
            make_private(path.parent)
        with self._log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**environment, MARK: str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # this terminal's Ctrl-C is for the starter alone
                umask=0o077,  # its files are for their owner alone
            )
        try:
            started = psutil.Process(process.pid).create_time()
            write_file(self._record, json.dumps({"pid": process.pid, "started": started}).encode())
        except OSError:  # a full disk: nobody could stop it later
            process.kill()
            raise

    def wait_listening(self, port: int, *, timeout_seconds: float) -> None:
        """Wait until this process, not another one, listens on the port.

        Raises:
            ServiceFailed: If the process ends or the time runs out; it quotes the end of the log.
        """
        self.wait_ready(lambda: self._listens(port), timeout_seconds=timeout_seconds)

    def wait_ready(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait until `ready()` returns true.

        Raises:
            ServiceFailed: If the process ends or the time runs out; it quotes the end of the log.
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
        """Return the live process; None if there is no record or it names another process."""
        try:
            record = json.loads(self._record.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["started"]) < _SAME_START_SECONDS
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return process if same and not ended(process) else None

    def stop(self, *, grace_seconds: float) -> None:
        """Stop the process: SIGTERM twice (a Prefect worker may need it), then SIGKILL.

        Whatever is left in its process group is killed, too.
        """
        process = self.process()
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        if wait_ended([process], grace_seconds / 2):
            _signal(process, signal.SIGTERM)
            wait_ended([process], grace_seconds / 2)
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
    """Return every live process that has this folder's mark, except the current one."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK) == str(folder)
        except (psutil.Error, OSError):  # other users' processes, or it just ended
            continue
        if ours and process.pid != os.getpid() and not ended(process):
            found.append(process)
    return found


def kill_marked(folder: Path) -> int:
    """Kill the processes that no record covers; return how many there were."""
    strays = marked(folder)
    _kill(strays)
    return len(strays)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGKILL)
    wait_ended(processes, 10)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil compares start times once more
    except psutil.NoSuchProcess:
        return


def wait_ended(processes: Iterable[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that have not.

    `psutil.wait_procs` would also wait for zombies, which stay for ever where nobody collects them:
    as orphans in a container whose first process is no init.
    """
    deadline = time.monotonic() + timeout_seconds
    left = list(processes)
    while (left := [p for p in left if not ended(p)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def ended(process: psutil.Process) -> bool:
    """Return whether a process is gone or a zombie; collect it if it is a child of this one."""
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
