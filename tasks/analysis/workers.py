"""Spawned processes that keep the speech model loaded and analyse one recording at a time.

Each process has its own pipe to the one thread that waits for it. So a recording that hangs,
crashes or exhausts memory ends only its own process and can be identified; and if this process is
killed, the pipes close and its workers exit. docs/adr/0002 explains why no library's pool is used.
"""

import multiprocessing
import queue
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from policy.leases import WORKER_MEMORY_LIMIT_BYTES, clip_deadline
from schema.documents import AnalysisRecord
from schema.errors.analysis import WorkerNotReady
from schema.facts.analysis import ClaimedMessage
from schema.states import FailureCause
from speech import engine
from speech.errors import SpeechError
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from tasks.analysis.records import analysis_record

# Restarting a process now and then bounds slow leaks in native libraries.
CLIPS_PER_PROCESS = 2000
START_SECONDS = 120.0  # imports and models, on a machine that starts many at once
_READY = "ready"

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Analysed:
    """A message's analysis, and the time it took."""

    record: AnalysisRecord
    audio_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class NotAnalysed:
    """Why a message has no analysis; `reason` is shown to people and holds no learner's text."""

    cause: FailureCause
    reason: str


Outcome = Analysed | NotAnalysed


class AnalysisWorkers:
    """A fixed number of analysis processes; `analyse` may be called from many threads."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)  # started by the first recording that needs it

    def analyse(self, message: ClaimedMessage, audio: bytes, *, as_of: datetime) -> Outcome:
        """Analyse one recording in a worker process and wait for the result.

        Bad recordings and engine defects are outcomes, not exceptions, so that they do not affect
        the rest of the chunk.

        Raises:
            WorkerNotReady: If no worker process can be started.
        """
        worker = self._idle.get()
        try:
            if worker is None or not worker.is_usable:
                worker = _Worker()
            return worker.analyse(message, audio, as_of)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Kill the processes; analyses in progress are lost."""
        while not self._idle.empty():
            worker = self._idle.get_nowait()
            if worker is not None:
                worker.kill()

    def __enter__(self) -> Self:
        """Return the workers."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the processes."""
        self.close()


class _Worker:
    """A worker process and the parent's end of its pipe; used by one thread at a time."""

    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._clips_left = CLIPS_PER_PROCESS
        # If a process cannot start, the recording is not at fault.
        if not self._pipe.poll(START_SECONDS) or self._answer() != _READY:
            self.kill()
            raise WorkerNotReady(self._process.exitcode)

    @property
    def is_usable(self) -> bool:
        # The pipe of a dead process is readable; a live one only sends answers.
        if self._clips_left and self._process.is_alive() and not self._pipe.poll():
            return True
        self.kill()
        return False

    def analyse(self, message: ClaimedMessage, audio: bytes, as_of: datetime) -> Outcome:
        self._clips_left -= 1
        outcome: Outcome | None = None
        try:
            self._pipe.send((_analyse, message, audio, as_of))
            if not self._pipe.poll(clip_deadline(len(audio)).total_seconds()):
                self.kill()
                reason = "The analysis took too long and was stopped."
                return NotAnalysed(FailureCause.TIMED_OUT, reason)
            outcome = self._answer()
        except OSError:
            pass  # the process died while the recording was being sent
        if outcome is None:
            self.kill()
            reason = f"The worker process ended with code {self._process.exitcode}."
            return NotAnalysed(FailureCause.CRASHED, reason)
        return outcome

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _answer(self) -> Any:  # noqa: ANN401 - pickled, so of any type
        """Return what the process sent; None if it died."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):  # OSError: it died while answering
            return None


def _serve(pipe: Connection) -> None:
    """Run as a worker process: analyse what arrives through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    if sys.platform == "linux":  # macOS refuses the call
        limits = (WORKER_MEMORY_LIMIT_BYTES, WORKER_MEMORY_LIMIT_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    engine.load("en")
    pipe.send(_READY)
    while True:
        try:
            function, *arguments = pipe.recv()
        except EOFError:
            return  # the parent has exited
        pipe.send(function(*arguments))


def _analyse(message: ClaimedMessage, audio: bytes, as_of: datetime) -> Outcome:
    started, cpu_started = time.perf_counter(), time.process_time()
    encoding = AudioEncoding(message.audio_format, message.sample_rate_hz, message.channels)
    try:
        waveform = decode(audio, encoding)
        analysis = engine.analyze(waveform, message.text, message.language)
        record = analysis_record(
            message,
            analysis,
            as_of=as_of,
            duration_ms=round(1000 * (time.perf_counter() - started)),
        )
    except SpeechError as error:
        return NotAnalysed(FailureCause(error.cause), str(error))
    except MemoryError:
        return NotAnalysed(FailureCause.CRASHED, "The analysis needed more memory than allowed.")
    except Exception as defect:  # noqa: BLE001 - a defect of ours fails only this message
        # The location only: the exception's text may quote the learner.
        frame = traceback.extract_tb(defect.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return NotAnalysed(
            FailureCause.ENGINE_ERROR,
            f"{type(defect).__name__} at {place} in the analysis; please report it.",
        )
    return Analysed(
        record,
        audio_seconds=len(waveform) / SAMPLE_RATE_HZ,
        cpu_seconds=time.process_time() - cpu_started,
    )
