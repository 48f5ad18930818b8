"""An analysis process as seen from outside: it is asked, watched, and not trusted."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from policy.leases import CLIP_CPU_LIMIT_CAP, PROCESS_CPU_LIMIT
from schema.errors.analysis import VoiceFailed
from schema.states import FailureCause
from tasks.analysis import wire
from tasks.analysis.voice import Voice

# Replacing a process now and then bounds slow leaks in native libraries.
REQUESTS_PER_PROCESS: Final = 2000
_MOST_CPU_SECONDS: Final = (PROCESS_CPU_LIMIT - CLIP_CPU_LIMIT_CAP).total_seconds()
_LOOK_SECONDS: Final = 0.5  # between two looks at a process
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


class Watch:
    """The limits of one request."""

    def __init__(self, process: psutil.Process, cpu_seconds: float, wall_seconds: float) -> None:
        self._process = process
        self._cpu_before = _cpu_seconds(process)
        self._cpu_limit = cpu_seconds
        self._judged_from = time.monotonic() + cpu_seconds  # it cannot be late before
        self._until = time.monotonic() + wall_seconds
        self._looks_again_at = 0.0
        self._asleep_at: float | None = None

    def cpu_seconds(self) -> float:
        """Return the processor time since the request."""
        return _cpu_seconds(self._process) - self._cpu_before

    def look(self) -> None:
        """Raise Unanswered if a limit is exceeded; looks at most twice a second.

        A recording is to blame if its process used up the processor time, or if it sleeps: there is
        nothing that it could wait for. A process that would run but may not, is stopped, or waits
        for memory from the disk says nothing about its recording.
        """
        now = time.monotonic()
        if now < self._looks_again_at:
            return
        self._looks_again_at = now + _LOOK_SECONDS
        used = self.cpu_seconds()
        if used > self._cpu_limit:
            reason = f"The analysis took more than {self._cpu_limit:.0f} s of processor time."
            raise Unanswered(FailureCause.TIMED_OUT, reason)
        if now < self._judged_from:
            return
        is_asleep = self._process.status() in {psutil.STATUS_SLEEPING, psutil.STATUS_IDLE}
        if is_asleep and (used == self._asleep_at or now > self._until):
            raise Unanswered(FailureCause.TIMED_OUT, "The analysis hung and was stopped.")
        if now > self._until:
            reason = f"The machine gave the analysis only {used:.1f} s of processor time."
            raise Unanswered(FailureCause.STARVED, reason)
        self._asleep_at = used if is_asleep else None


class AnalysisProcess:
    """A process that hears one conversation, and our end of the socket to it.

    Attributes:
        status: What the operating system says about it.
    """

    def __init__(self, conversation: str, link: socket.socket, status: psutil.Process) -> None:
        self._conversation, self._link, self.status = conversation, link, status
        self._link.settimeout(_LOOK_SECONDS)
        self._requests_left = REQUESTS_PER_PROCESS

    def hears(self, conversation: str) -> bool:
        """Whether it can be asked about a recording of this conversation."""
        if conversation != self._conversation or not self._requests_left or not self._is_silent():
            return False
        try:
            return _cpu_seconds(self.status) < _MOST_CPU_SECONDS
        except psutil.Error:  # it has just ended with its server
            return False

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

    def ask(self, request: wire.Request, recording: bytes, watch: Watch, voice: Voice) -> Reply:
        """Send a request and wait for the answer; have texts read that the process asks for.

        Raises:
            Unanswered: If a limit was exceeded, or the voice failed.
            EOFError, OSError, ValueError, psutil.Error: If the process died, or its answer is no
                frame of an acceptable length.
        """
        self._requests_left -= 1
        self._send_frames(request.model_dump_json().encode(), recording, watch)
        most_bytes = wire.most_answer_bytes(request)
        for _ in range(wire.MOST_QUESTIONS + 1):
            frame = wire.read_frame(lambda count: self._receive(count, watch), most_bytes)
            question = wire.question(frame, request)
            if question is None:
                return Reply(frame, watch.cpu_seconds())
            try:
                said, samples = voice.read_aloud(question)
            except VoiceFailed as error:
                raise Unanswered(FailureCause.ENGINE_ERROR, str(error)) from None
            self._send_frames(said.model_dump_json().encode(), samples, watch)
        message = "too many questions"
        raise ValueError(message)

    def _send_frames(self, document: bytes, sound: bytes, watch: Watch) -> None:
        for part in (wire.head(document), document, wire.head(sound), sound):
            self._send(part, watch)

    def _send(self, data: bytes, watch: Watch) -> None:
        unsent = memoryview(data)
        while unsent:
            with suppress(TimeoutError):
                unsent = unsent[self._link.send(unsent) :]
            watch.look()

    def _receive(self, count: int, watch: Watch) -> bytes:
        # What is there counts, however late: after its answer, a process sleeps.
        received = bytearray()
        while True:
            with suppress(TimeoutError):
                block = self._link.recv(min(count - len(received), _BLOCK_BYTES))
                received += block
                if not block or len(received) == count:
                    return bytes(received)
            watch.look()

    def close(self) -> None:
        """Close the socket, which ends a process that reads from it."""
        self._link.close()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
