"""The synthetic voice as seen by the process that starts it: espeak-ng in a process of its own."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Self

import numpy as np
import soxr

from schema.errors.analysis import VoiceFailed
from settings.processes import analysis_environment
from speech.synthetic_voice import SyntheticSpeech
from speech.waveform import SAMPLE_RATE_HZ
from tasks.analysis import wire

COMMAND: Final = (sys.executable, "-I", "-m", "tasks.analysis.espeak")
# It reads some hundred times faster than aloud.
_LEAST_SECONDS, _CHARACTERS_PER_SECOND = 10.0, 200.0
_TRIES: Final = 2


def is_installed() -> bool:
    """Return whether espeak-ng is here: the extra `languages`."""
    return find_spec("espeakng_loader") is not None


class Voice:
    """A process that is started by the first text, and again after a failure."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read_aloud(self, question: wire.Reading) -> tuple[wire.ReadAloud, bytes]:
        """Have a text read; a process that fails is replaced and asked once more.

        Returns:
            Where words and phones begin, and the samples.

        Raises:
            VoiceFailed: If it fails again.
        """
        for _ in range(_TRIES):
            try:
                return self._asked(question)
            except (OSError, EOFError, ValueError, TimeoutError):
                self.close()
        raise VoiceFailed

    def __call__(self, text: str, *, voice: str, words_per_minute: int) -> SyntheticSpeech:
        """Read a text, as engines ask for it."""
        question = wire.Reading(text=text, voice=voice, words_per_minute=words_per_minute)
        return spoken(*self.read_aloud(question))

    def _asked(self, question: wire.Reading) -> tuple[wire.ReadAloud, bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # may quote the learner
                env=analysis_environment(),
                cwd="/",
                start_new_session=True,
            )
        process = self._process
        assert process.stdin  # noqa: S101 - pipes, as asked for
        assert process.stdout  # noqa: S101
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        until = time.monotonic() + _LEAST_SECONDS + len(question.text) / _CHARACTERS_PER_SECOND
        document = question.model_dump_json().encode()
        _write(process.stdin.fileno(), wire.head(document) + document, until)
        answer = process.stdout.fileno()

        def read(count: int) -> bytes:
            return _read(answer, count, until)

        said = wire.ReadAloud.model_validate_json(wire.read_frame(read, wire.MOST_MARKS_BYTES))
        return said, wire.read_frame(read, wire.MOST_VOICE_BYTES)

    def close(self) -> None:
        """Kill the process, if there is one."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # the latter on macOS
                os.killpg(self._process.pid, signal.SIGKILL)  # and its fork that reads
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process = None

    def __enter__(self) -> Self:
        """Return the voice."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process."""
        self.close()


def spoken(said: wire.ReadAloud, samples: bytes) -> SyntheticSpeech:
    """Return an answer of the voice as engines hear it."""
    heard = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2").astype(np.float32) / 32_768
    return SyntheticSpeech(
        soxr.resample(heard, wire.VOICE_RATE_HZ, SAMPLE_RATE_HZ),
        tuple((place, at / 1000) for place, at in said.words),
        tuple((phone, at / 1000) for phone, at in said.phones),
    )


def _write(descriptor: int, data: bytes, until: float) -> None:
    unsent = memoryview(data)
    while unsent:
        _, ready, _ = select.select([], [descriptor], [], _left(until))
        if ready:
            unsent = unsent[os.write(descriptor, unsent) :]


def _read(descriptor: int, count: int, until: float) -> bytes:
    received = bytearray()
    while len(received) < count:
        ready, _, _ = select.select([descriptor], [], [], _left(until))
        if ready:
            block = os.read(descriptor, min(count - len(received), 2**20))
            if not block:
                break
            received += block
    return bytes(received)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
