"""The analysis server as seen by the process that starts it.

A server has the models loaded and forks processes, one at a time. Each hears the recordings of one
conversation only, so a hostile recording can neither learn nor change anything of another learner.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import psutil

from policy.leases import PROCESS_CPU_LIMIT
from schema.errors.analysis import WorkerNotReady
from schema.states import AnalysisEngine, FailureCause
from settings.environment import AnalysisSettings
from settings.processes import analysis_environment
from tasks.analysis import wire
from tasks.analysis.process import AnalysisProcess, Reply, Unanswered, Watch
from tasks.analysis.voice import Voice
from tasks.sandbox.lockdown import Lockdown

COMMAND: Final = (sys.executable, "-I", "-m", "tasks.analysis.server")
_MOST_REPLY_BYTES: Final = 10_000
_TO_EXIT_SECONDS: Final = 5.0


class AnalysisServer:
    """A server, the process that it has forked, and their voice; used by one thread at a time."""

    def __init__(self, engines: Mapping[str, AnalysisEngine], settings: AnalysisSettings) -> None:
        """Start a server that analyses with these engines, by language; wait until it is ready.

        Raises:
            WorkerNotReady: If it does not get ready, or is not locked down as required.
        """
        limits = (str(settings.memory_bytes), f"{PROCESS_CPU_LIMIT.total_seconds():.0f}")
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
                [*COMMAND, json.dumps(engines), *limits],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=analysis_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for this process, which ends that one
            )
        self._control.settimeout(settings.start_seconds)
        self._replies = self._control.makefile("rb")
        self._process: AnalysisProcess | None = None
        self._voice = Voice()
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
        try:
            watch = Watch(self._process.status, cpu_seconds, wall_seconds)
            return self._process.ask(request, recording, watch, self._voice)
        except Unanswered:
            self.end_process()
            raise
        except (EOFError, OSError, ValueError, psutil.Error):
            code = self.end_process()
            reason = f"The analysis process ended with code {code}."
            if code == -signal.SIGKILL:
                reason += " Memory may be short."
        raise Unanswered(FailureCause.CRASHED, reason)

    def _start(self, conversation: str) -> AnalysisProcess:
        self.end_process()
        ours, theirs = socket.socketpair()
        with theirs:
            pid = self._order(wire.START, theirs)
        try:
            return AnalysisProcess(conversation, ours, psutil.Process(pid))
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
        return self._order(wire.END)

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self._server.poll() is None

    def kill(self) -> None:
        """Kill the server, its process and the voice."""
        self._voice.close()
        if self.is_alive:  # otherwise its id may be another's by now, and its process has ended
            with suppress(PermissionError):  # macOS: it has just ended
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
        if self._process is not None:
            self._process.close()
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
            ended = f"exit code {self._server.wait(_TO_EXIT_SECONDS)}"
        except subprocess.TimeoutExpired:
            ended = "it did not answer in time"
        self.kill()
        return WorkerNotReady(ended)
