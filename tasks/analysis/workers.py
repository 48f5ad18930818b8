"""Processes that analyse recordings, one at a time each.

A recording that hangs, crashes or exhausts memory ends only its own process and can be identified.
docs/adr/0002 explains why no library's pool is used, docs/adr/0103 what the processes may do.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from policy.leases import clip_cpu_limit
from schema.documents import AnalysisRecord
from schema.facts.analysis import ClaimedMessage
from schema.states import AnalysisEngine, FailureCause
from settings.environment import AnalysisSettings
from speech.feedback.texts import DEFAULT_LANGUAGE
from speech.sound_facts import SoundFacts
from tasks.analysis import wire
from tasks.analysis.engines import engine_for, engines_by_language, release_for
from tasks.analysis.process import Reply, Unanswered
from tasks.analysis.records import analysis_record
from tasks.analysis.server_process import AnalysisServer

R = TypeVar("R")
logger = logging.getLogger(__name__)


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
    """A fixed number of analysis processes; its methods may be called from many threads."""

    def __init__(
        self, count: int, engine: AnalysisEngine, settings: AnalysisSettings | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            count: How many recordings are analysed at the same time.
            engine: The engine that analyses them.
            settings: Limits of the processes; default: those of the environment.
        """
        self.count, self._engine = count, engine
        self._engines = engines_by_language(engine)
        self._settings = settings or AnalysisSettings()
        self._first_start = threading.Lock()
        self._idle: queue.LifoQueue[AnalysisServer | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)  # started by the first recording that needs it

    def analyse(self, message: ClaimedMessage, audio: bytes, *, as_of: datetime) -> Outcome:
        """Analyse one recording in a process that hears only its conversation.

        Bad recordings and engine defects are outcomes, not exceptions, so that they do not affect
        the rest of the chunk.

        Raises:
            WorkerNotReady: If no process can be started.
        """
        request = wire.Request(
            text=message.text,
            language=message.language,
            engine=engine_for(self._engine, message.language),
            feedback_language=message.native_language or DEFAULT_LANGUAGE,
            audio_format=message.audio_format,
            sample_rate_hz=message.sample_rate_hz,
            channels=message.channels,
        )
        started = time.perf_counter()

        def outcome(reply: Reply) -> Outcome:
            answer = wire.read_answer(reply.answer, wire.AnalysedAnswer)
            if isinstance(answer, wire.FailedAnswer):
                return NotAnalysed(FailureCause(answer.cause), answer.reason)
            duration_ms = round(1000 * (time.perf_counter() - started))
            record = analysis_record(
                message,
                answer.analysis,
                release_for(self._engine, message.language),
                as_of=as_of,
                duration_ms=duration_ms,
            )
            return Analysed(record, answer.audio_seconds, reply.cpu_seconds)

        try:
            return self._ask(message.storage_key, request, audio, outcome)
        except Unanswered as error:
            return NotAnalysed(error.cause, error.reason)

    def describe(self, storage_key: str, audio: bytes) -> SoundFacts:
        """Return the properties of a complete file; unknown ones if it cannot be decoded.

        Raises:
            WorkerNotReady: If no process can be started.
        """

        def facts(reply: Reply) -> SoundFacts:
            answer = wire.read_answer(reply.answer, wire.DescribedAnswer)
            if isinstance(answer, wire.FailedAnswer):
                return SoundFacts()
            return SoundFacts(
                answer.format, answer.sample_rate_hz, answer.channels, answer.duration_ms
            )

        try:
            return self._ask(storage_key, wire.Request(text=None), audio, facts)
        except Unanswered as error:
            logger.warning("An object cannot be described: %s", error.reason)
            return SoundFacts()

    def _ask(
        self, storage_key: str, request: wire.Request, audio: bytes, read: Callable[[Reply], R]
    ) -> R:
        cpu_seconds = clip_cpu_limit(len(audio)).total_seconds()
        server = self._idle.get()
        try:
            if server is None or not server.is_alive:
                server = self._start()
            reply = server.ask(
                conversation_of(storage_key),
                request,
                audio,
                cpu_seconds=cpu_seconds,
                wall_seconds=self._settings.patience * cpu_seconds,
            )
            try:
                return read(reply)
            except ValueError:
                server.end_process()
        finally:
            self._idle.put(server)
        # Here, because the ValueError quotes the answer.
        raise Unanswered(FailureCause.CRASHED, "The analysis process gave an invalid answer.")

    def _start(self) -> AnalysisServer:
        server = AnalysisServer(self._engines, self._settings)
        if self._first_start.acquire(blocking=False):
            logger.info("Analysis processes: %s.", ", ".join(server.lockdown.in_force))
            if server.lockdown.missing:
                logger.warning(
                    "This system cannot isolate analysis processes fully; missing: %s. "
                    "docs/security.md says what that means.",
                    ", ".join(server.lockdown.missing),
                )
        return server

    def close(self) -> None:
        """Kill the processes; analyses in progress are lost."""
        while not self._idle.empty():
            server = self._idle.get_nowait()
            if server is not None:
                server.kill()

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


def conversation_of(storage_key: str) -> str:
    """Return the folder of a key, which holds one conversation; of an odd key, the key itself."""
    folder = storage_key.rpartition("/")[0]
    return folder if folder.count("/") > 1 else storage_key
