"""Spawned processes that keep the speech model loaded and analyse one clip at a time.

A clip that hangs, eats memory or crashes takes down only the process it runs in: pebble kills or
replaces that one and tells whose it was, where the standard library's pool would break as a whole.
"""

import logging
import multiprocessing
import resource
import time
from concurrent.futures import TimeoutError as ClipTimeout
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pebble import ProcessExpired, ProcessPool

from policy.leases import WORKER_MEMORY_BYTES, clip_deadline_seconds
from schema.states import FailureCause
from speech import engine
from speech.analysis import SpeechAnalysis
from speech.errors import SpeechError
from speech.waveform import AudioEncoding, decode

logger = logging.getLogger(__name__)

# A fresh process now and then keeps a slow leak in a native library from growing for ever.
CLIPS_PER_PROCESS = 2000


@dataclass(frozen=True, slots=True)
class Analysed:
    """One clip's analysis and what it cost."""

    analysis: SpeechAnalysis
    audio_seconds: float
    cpu_seconds: float
    duration_ms: int  # wall time of decoding and analysis


@dataclass(frozen=True, slots=True)
class NotAnalysed:
    """Why a clip has no analysis; `reason` holds no learner's text."""

    cause: FailureCause
    reason: str


class AnalysisWorkers:
    """A pool of analysis processes; `analyse` may be called from many threads."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ProcessPool(
            max_workers=count,
            max_tasks=CLIPS_PER_PROCESS,
            initializer=_prepare,
            initargs=(WORKER_MEMORY_BYTES,),
            context=multiprocessing.get_context("spawn"),
        )

    def analyse(
        self, audio: bytes, encoding: AudioEncoding, text: str, language: str
    ) -> Analysed | NotAnalysed:
        """Analyse one clip in a worker process and wait for it; never raises for a bad clip."""
        future = self._pool.schedule(
            _analyse,
            args=(audio, encoding, text, language),
            timeout=clip_deadline_seconds(len(audio)),
        )
        try:
            outcome: Analysed | NotAnalysed = future.result()
        except ClipTimeout:
            return NotAnalysed(FailureCause.TIMED_OUT, "The analysis took too long and was stopped.")
        except ProcessExpired as death:
            return NotAnalysed(
                FailureCause.CRASHED,
                f"The analysis killed its worker process (exit code {death.exitcode}).",
            )
        return outcome

    def close(self) -> None:
        """Stop the processes at once; a clip being analysed is given up."""
        self._pool.stop()
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


def _analyse(
    audio: bytes, encoding: AudioEncoding, text: str, language: str
) -> Analysed | NotAnalysed:
    started, cpu_started = time.perf_counter(), time.process_time()
    try:
        waveform = decode(audio, encoding)
        analysis = engine.analyze(waveform, text, language)
    except SpeechError as error:
        return NotAnalysed(FailureCause(error.cause), str(error))
    except MemoryError:
        return NotAnalysed(FailureCause.CRASHED, "The analysis needed more memory than allowed.")
    return Analysed(
        analysis,
        audio_seconds=len(waveform) / engine.SAMPLE_RATE_HZ,
        cpu_seconds=time.process_time() - cpu_started,
        duration_ms=round(1000 * (time.perf_counter() - started)),
    )
