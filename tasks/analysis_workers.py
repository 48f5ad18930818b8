"""Spawned processes that keep the speech model loaded and analyse one clip at a time.

A clip that hangs, eats memory or crashes takes down only the process it runs in: pebble kills or
replaces that one and tells whose it was, where the standard library's pool would break as a whole.
"""

import multiprocessing
import resource
import time
import traceback
from concurrent.futures import TimeoutError as ClipTimeout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pebble import ProcessExpired, ProcessPool

from policy.leases import WORKER_MEMORY_LIMIT_BYTES, clip_deadline
from schema.documents import AnalysisRecord
from schema.states import FailureCause
from schema.values import ClaimedMessage
from speech import engine
from speech.errors import SpeechError
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from tasks.analysis_records import analysis_record

# A fresh process now and then keeps a slow leak in a native library from growing for ever.
CLIPS_PER_PROCESS = 2000


@dataclass(frozen=True, slots=True)
class Analysed:
    """One message's analysis and what it cost."""

    record: AnalysisRecord
    audio_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class NotAnalysed:
    """Why a message has no analysis; `reason` is for a person and holds no learner's text."""

    cause: FailureCause
    reason: str


Outcome = Analysed | NotAnalysed


class AnalysisWorkers:
    """A pool of analysis processes; `analyse` may be called from many threads."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ProcessPool(
            max_workers=count,
            max_tasks=CLIPS_PER_PROCESS,
            initializer=_prepare,
            initargs=(WORKER_MEMORY_LIMIT_BYTES,),
            context=multiprocessing.get_context("spawn"),
        )

    def analyse(self, message: ClaimedMessage, audio: bytes, *, as_of: datetime) -> Outcome:
        """Analyse one recording in a worker process and wait for it.

        A bad recording is an outcome, not an exception, and so is a defect of the engine: neither
        may hurt the rest of the chunk.
        """
        future = self._pool.schedule(
            _analyse,
            args=(message, audio, as_of),
            timeout=clip_deadline(len(audio)).total_seconds(),
        )
        try:
            outcome: Outcome = future.result()
        except ClipTimeout:
            return NotAnalysed(
                FailureCause.TIMED_OUT, "The analysis took too long and was stopped."
            )
        except ProcessExpired as death:
            return NotAnalysed(
                FailureCause.CRASHED, f"The worker process ended with code {death.exitcode}."
            )
        return outcome

    def close(self) -> None:
        """Stop the processes at once; a clip being analysed is given up."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates only some methods
        self._pool.join()

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


def _prepare(memory_bytes: int) -> None:
    """Make a fresh process ready: a memory limit, and the model loaded before the first clip."""
    # macOS accepts the call but does not enforce it; Linux does.
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    engine.load("en")


def _analyse(message: ClaimedMessage, audio: bytes, as_of: datetime) -> Outcome:
    started, cpu_started = time.perf_counter(), time.process_time()
    encoding = AudioEncoding(message.audio_format, message.sample_rate_hz, message.channels)
    try:
        waveform = decode(audio, encoding)
        analysis = engine.analyze(waveform, message.text, message.language)
        record = analysis_record(
            message.message_id,
            analysis,
            as_of=as_of,
            duration_ms=round(1000 * (time.perf_counter() - started)),
        )
    except SpeechError as error:
        return NotAnalysed(FailureCause(error.cause), str(error))
    except MemoryError:
        return NotAnalysed(FailureCause.CRASHED, "The analysis needed more memory than allowed.")
    except Exception as defect:  # noqa: BLE001 - a defect of ours costs this message alone
        # Where it happened, not what it said: messages of exceptions may quote the learner.
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
