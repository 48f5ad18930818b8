"""Analysis processes as seen by the process that starts them, which trusts nothing they say.

A server has the models loaded and forks processes, one at a time. Each hears the recordings of one
conversation only, so a hostile recording can neither learn nor change anything of another learner.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psutil

from policy.leases import CLIP_CPU_LIMIT_CAP, PROCESS_CPU_LIMIT
from schema.errors.analysis import WorkerNotReady
from schema.states import FailureCause
from settings.environment import AnalysisSettings
from settings.processes import analysis_environment
from tasks.analysis import wire
from tasks.sandbox.lockdown import Lockdown

COMMAND: Final = (sys.executable, "-I", "-m", "tasks.analysis.server")
# Replacing a process now and then bounds slow leaks in native libraries.
REQUESTS_PER_PROCESS: Final = 2000
_MOST_CPU_SECONDS: Final = (PROCESS_CPU_LIMIT - CLIP_CPU_LIMIT_CAP).total_seconds()
_LOOK_SECONDS: Final = 0.5  # between two looks at a process
_LAST_LOOK_SECONDS: Final = 5.0
_MOST_REPLY_BYTES: Final = 10_000
_BLOCK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Reply:
    """A process's answer, and the processor time that it took."""

    answer: bytes
    cpu_seconds: float


class Unanswered(Exception):
    """A process died, or was killed, before it had answered."""

    def __init__(self, cause: FailureCause, reason: str) -> None:
        self.cause, self.reason = cause, reason
        super().__init__(reason)


class AnalysisServer:
    """A server and the process that it has forked; used by one thread at a time."""

    def __init__(self, settings: AnalysisSettings) -> None:
        """Start the server and wait until it is ready.

        Raises:
            WorkerNotReady: If it does not get ready, or is not locked down as required.
        """
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
                [*COMMAND, str(settings.memory_bytes), f"{PROCESS_CPU_LIMIT.total_seconds():.0f}"],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=analysis_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for this process, which ends that one
            )
        self._control.settimeout(settings.start_seconds)
        self._replies = self._control.makefile("rb")
        self._process: _Process | None = None
        self.lockdown = Lockdown(**{name: tuple(layers) for name, layers in self._reply().items()})
        if settings.require_lockdown and self.lockdown.missing:
            self.kill()
            missing = ", ".join(self.lockdown.missing)
            reason = f"KAIWA_REQUIRE_LOCKDOWN is set, but this system lacks: {missing}"
            raise WorkerNotReady(reason)

    def ask(
        self,
        conversation: str,
        request: wire.Request,
        recording: bytes,
        *,
        cpu_seconds: float,
        wall_seconds: float,
    ) -> Reply:
        """Have a process that hears this conversation only answer a request.

        Args:
            conversation: A name of it.
            request: What to do.
            recording: The recording.
            cpu_seconds: Processor time after which the recording is at fault.
            wall_seconds: Time after which the process is killed in any case.

        Raises:
            Unanswered: If the process died or was killed; it is replaced.
            WorkerNotReady: If there is no process to ask.
        """
        if self._process is None or not self._process.hears(conversation):
            self._process = self._start(conversation)
        watch = _Watch(self._process.status, cpu_seconds, wall_seconds)
        try:
            return self._process.ask(request, recording, watch)
        except Unanswered:
            self.end_process()
            raise
        except (EOFError, OSError, ValueError, psutil.Error):
            reason = f"The analysis process ended with code {self.end_process()}."
        raise Unanswered(FailureCause.CRASHED, reason)

    def _start(self, conversation: str) -> "_Process":
        self.end_process()
        ours, theirs = socket.socketpair()
        with theirs:
            pid = self._order(wire.START, theirs)
        try:
            return _Process(conversation, ours, psutil.Process(pid))
        except psutil.NoSuchProcess:
            raise self._not_ready() from None

    def end_process(self) -> int:
        """Kill the process, if there is one, and return its exit code.

        Raises:
            WorkerNotReady: If the server does not answer.
        """
        if self._process is None:
            return 0
        self._process.close()
        self._process = None
        code: int = self._order(wire.END)
        return code

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self._server.poll() is None

    def kill(self) -> None:
        """Kill the server and its process."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies are left
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._control.close()

    def _order(self, order: bytes, *sockets: socket.socket) -> int:
        try:
            socket.send_fds(self._control, [order], [one.fileno() for one in sockets])
        except OSError:
            raise self._not_ready() from None
        reply: int = self._reply()
        return reply

    def _reply(self) -> Any:  # noqa: ANN401 - JSON of the server, which reads no recordings
        try:
            return json.loads(self._replies.readline(_MOST_REPLY_BYTES))
        except (OSError, ValueError):
            raise self._not_ready() from None

    def _not_ready(self) -> WorkerNotReady:
        """Kill the server and say how it ended; its own words are in this process's stderr."""
        try:
            ended = f"exit code {self._server.wait(_LAST_LOOK_SECONDS)}"
        except subprocess.TimeoutExpired:
            ended = "it did not answer in time"
        self.kill()
        return WorkerNotReady(ended)


class _Watch:
    """The limits of one request."""

    def __init__(self, process: psutil.Process, cpu_seconds: float, wall_seconds: float) -> None:
        self._process = process
        self._cpu_before = _cpu_seconds(process)
        self._cpu_limit = cpu_seconds
        self._judged_from = time.monotonic() + cpu_seconds  # earlier it can be neither late nor hang
        self._until = time.monotonic() + wall_seconds
        self._asleep_at: float | None = None

    def cpu_seconds(self) -> float:
        """Return the processor time since the request."""
        return _cpu_seconds(self._process) - self._cpu_before

    def look(self) -> None:
        """Raise Unanswered if a limit is exceeded.

        A recording is to blame if its process used up the processor time, or if it sleeps: there is
        nothing that it could wait for. A process that would run but may not, is stopped, or waits
        for memory from the disk says nothing about its recording.
        """
        used = self.cpu_seconds()
        if used > self._cpu_limit:
            reason = f"The analysis took more than {self._cpu_limit:.0f} s of processor time."
            raise Unanswered(FailureCause.TIMED_OUT, reason)
        now = time.monotonic()
        if now < self._judged_from:
            return
        is_asleep = self._process.status() in {psutil.STATUS_SLEEPING, psutil.STATUS_IDLE}
        if is_asleep and (used == self._asleep_at or now > self._until):
            raise Unanswered(FailureCause.TIMED_OUT, "The analysis hung and was stopped.")
        if now > self._until:
            reason = f"The machine gave the analysis only {used:.1f} s of processor time."
            raise Unanswered(FailureCause.STARVED, reason)
        self._asleep_at = used if is_asleep else None


class _Process:
    """A process that hears one conversation, and our end of the socket to it."""

    def __init__(self, conversation: str, link: socket.socket, status: psutil.Process) -> None:
        self._conversation, self._link, self.status = conversation, link, status
        self._link.settimeout(_LOOK_SECONDS)
        self._requests_left = REQUESTS_PER_PROCESS

    def hears(self, conversation: str) -> bool:
        """Whether it can be asked about a recording of this conversation."""
        return (
            conversation == self._conversation
            and self._requests_left > 0
            and self._is_silent()
            and _cpu_seconds(self.status) < _MOST_CPU_SECONDS
        )

    def _is_silent(self) -> bool:
        # Unasked, there is only the end to read, or what a hostile process sent.
        self._link.setblocking(False)
        try:
            self._link.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._link.settimeout(_LOOK_SECONDS)
        return False

    def ask(self, request: wire.Request, recording: bytes, watch: _Watch) -> Reply:
        self._requests_left -= 1
        document = request.model_dump_json().encode()
        for part in (wire.head(document), document, wire.head(recording), recording):
            self._send(part, watch)
        answer = wire.read_frame(lambda count: self._receive(count, watch), wire.MAX_ANSWER_BYTES)
        return Reply(answer, watch.cpu_seconds())

    def _send(self, data: bytes, watch: _Watch) -> None:
        unsent = memoryview(data)
        while unsent:
            with suppress(TimeoutError):
                unsent = unsent[self._link.send(unsent) :]
            watch.look()

    def _receive(self, count: int, watch: _Watch) -> bytes:
        # First what is there: this process may itself have been stopped for a while.
        received = bytearray()
        while len(received) < count:
            with suppress(TimeoutError):
                block = self._link.recv(min(count - len(received), _BLOCK_BYTES))
                if not block:
                    break
                received += block
            watch.look()
        return bytes(received)

    def close(self) -> None:
        self._link.close()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
