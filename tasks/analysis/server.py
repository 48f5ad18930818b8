"""The analysis server: loads engines' models once and forks a process for each conversation.

    python -I -m tasks.analysis.server ENGINES MEMORY_BYTES CPU_SECONDS

ENGINES is JSON: the engine of each language, `{"en": "kaiwa", "ja": "dtw"}`.

Its standard input is a socket to the process that started it. There it says once that it is ready,
and how its processes are locked down; then it takes orders. It never reads a recording itself: each
forked process gets a socket of its own for that, and is locked down before it reads from it.
"""

import gc
import json
import os
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final, NoReturn, TypeVar

from speech.engine import load
from speech.rehearsal import rehearse
from tasks.analysis import wire
from tasks.analysis.listener import listen
from tasks.sandbox.lockdown import lock_down

P = TypeVar("P")

_STDERR: Final = 2


def main() -> None:
    """Serve until the parent closes the socket or ends."""
    engines_by_language, memory_bytes, cpu_seconds = sys.argv[1:]
    control = _take_standard_input()
    warnings.simplefilter("ignore")  # nothing of a recording may be printed
    engines: dict[str, str] = json.loads(engines_by_language)
    for language, engine in engines.items():
        load(language, engine)
    rehearse(engines)
    server = _Server(control, engines, int(memory_bytes), int(cpu_seconds))
    server.say_ready()
    gc.freeze()  # so that the collector writes to no page that forked processes share
    os.dup2(0, _STDERR)  # up to here errors are for the operator
    server.serve()


def _take_standard_input() -> socket.socket:
    """Return the socket; standard input and output become the null device."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return control


class _Server:
    def __init__(
        self,
        control: socket.socket,
        engines: Mapping[str, str],
        memory_bytes: int,
        cpu_seconds: int,
    ) -> None:
        self._control, self._engines = control, engines
        self._limits = {"memory_bytes": memory_bytes, "cpu_seconds": cpu_seconds}
        self._child = 0
        self._layers = b""  # in force in its processes, and missing, as a line of JSON

    def say_ready(self) -> None:
        """Rehearse in a process that is locked down, and report what is in force there."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            _exit_after(self._report_lockdown, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as report:
            self._layers = report.read()
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"A process that was locked down could not analyse (status {status}).")
        self._control.sendall(self._layers)

    def _report_lockdown(self, writer: int) -> None:
        layers = self._lock_down()
        # Anything that would still be loaded now shows here, not in a recording.
        rehearse(self._engines)
        os.write(writer, layers)

    def _lock_down(self) -> bytes:
        return json.dumps(asdict(lock_down(**self._limits))).encode() + b"\n"

    def serve(self) -> None:
        while True:
            order, descriptors, *_ = socket.recv_fds(self._control, 1, 1)
            answer = self._end()
            if not order:
                return
            if order == wire.START:
                answer = self._start(socket.socket(fileno=descriptors[0]))
            self._control.sendall(b"%d\n" % answer)

    def _start(self, link: socket.socket) -> int:
        self._child = os.fork()
        if not self._child:
            self._control.close()
            _exit_after(self._listen, link)
        link.close()
        return self._child

    def _listen(self, link: socket.socket) -> None:
        if self._lock_down() == self._layers:
            listen(link.fileno())

    def _end(self) -> int:
        """Kill the process, if there is one, and return its exit code."""
        if not self._child:
            return 0
        os.kill(self._child, signal.SIGKILL)  # it may have ended, but its id is still taken
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        return os.waitstatus_to_exitcode(status)


def _exit_after(function: Callable[[P], object], argument: P) -> NoReturn:
    """Call a function in a forked process, and end that process without cleaning up."""
    try:
        function(argument)
    except BaseException:  # noqa: BLE001 - nothing may run on as a copy of the server
        traceback.print_exc()  # nowhere, once the server is ready
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
