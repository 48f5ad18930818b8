"""Forced aligners to compare: ours, pocketsphinx, Echogarden; all behind `Aligner`."""

import json
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np
import psutil
from pocketsphinx import Decoder, set_loglevel

from speech.alignment import forced
from speech.errors import SpeechError
from speech.text.lexicon import pronounce
from training.signals import Waveform

_FRAME_SECONDS: Final = 0.01
# The defaults, 1e-48 and 7e-29, fail for every fourth learner.
WIDE_BEAMS: Final[dict[str, Any]] = {
    "bestpath": False, "beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """Words as `(start, end)` in seconds, and their phones as `(name, start, end)`.

    `is_plain` is False if fillers or repeated words were found.
    """

    words: list[tuple[float, float]]
    phones: list[list[tuple[str, float, float]]]
    is_plain: bool = True


class Lost(Exception):
    """The aligner found no alignment."""


class Aligner(Protocol):
    """Locates words and, if supported, phones."""

    def align(self, waveform: Waveform, words: Sequence[str]) -> Found:
        """Align; raise `Lost` if that fails."""

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, in all its processes."""


class Ours:
    """`speech.alignment.forced`."""

    def align(self, waveform: Waveform, words: Sequence[str]) -> Found:
        """Align.

        Raises:
            Lost: If the words do not fit into the recording.
        """
        try:
            found = forced.align(waveform, words)
        except SpeechError as error:
            raise Lost from error
        return Found(
            [(word.start, word.end) for word in found.words],
            [
                [(phone.phone, phone.start, phone.end) for phone in word.phones]
                for word in found.words
            ],
            is_plain=all(extra.kind == "silence" for extra in found.extras),
        )

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process."""
        return time.process_time()


class PocketSphinx:
    """Its decoder with the same acoustic model: one pass for words, one for their phones."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the decoder's own
        set_loglevel("FATAL")  # otherwise it reports every lost path on stderr
        self._decoder = Decoder(lm=None, cmn="batch", loglevel="FATAL", **options)

    def align(self, waveform: Waveform, words: Sequence[str]) -> Found:
        """Align.

        Raises:
            Lost: If the search ends before the last word.
        """
        pcm = np.round(waveform * (16_384 / np.abs(waveform).max())).astype(np.int16).tobytes()
        for word in words:
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, " ".join(pronounce(word).variants[0]), update=False)
        try:
            self._decoder.set_align_text(" ".join(words))
            self._search(pcm)
            self._decoder.set_alignment()
            self._search(pcm)
            alignment = self._decoder.get_alignment()
        except RuntimeError:  # its only exception
            raise Lost from None
        # Entries become invalid when the iterator advances, so read each immediately.
        read = [
            (word.name, _span(word), [(phone.name, *_span(phone)) for phone in word])
            for word in alignment or ()
        ]
        said = [(span, phones) for name, span, phones in read if name[0] not in "<["]
        if len(said) != len(words):
            raise Lost
        return Found([span for span, _ in said], [phones for _, phones in said])

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process."""
        return time.process_time()

    def _search(self, pcm: bytes) -> None:
        with warnings.catch_warnings():
            # Deprecated, but nothing else resets its estimate of the noise.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._decoder.start_stream()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def _span(entry: Any) -> tuple[float, float]:  # noqa: ANN401 - pocketsphinx has no types
    return entry.start * _FRAME_SECONDS, (entry.start + entry.duration) * _FRAME_SECONDS


class Echogarden:
    """Its `dtw` engine in a long-lived Node process; only words, since its phones are IPA."""

    def __init__(self) -> None:
        command, node = shutil.which("echogarden"), shutil.which("node")
        if command is None or node is None:
            message = "`echogarden` and `node` are not both installed"
            raise FileNotFoundError(message)
        api = Path(command).resolve().parents[1] / "api" / "API.js"
        self._folder = tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-")
        self._process = subprocess.Popen(
            [node, Path(__file__).with_name("echogarden.mjs"), api],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        """Nothing more to open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._folder.cleanup()

    def align(self, waveform: Waveform, words: Sequence[str]) -> Found:
        """Align.

        Raises:
            Lost: If it fails, or finds a different number of words.
        """
        samples = Path(self._folder.name) / "samples"
        waveform.tofile(samples)
        found = self._ask({"samples": str(samples), "text": " ".join(words)})
        if found is None or len(found) != len(words):
            raise Lost
        return Found(found, [])

    def _ask(self, job: dict[str, str]) -> list[tuple[float, float]] | None:
        if self._process.stdin is None or self._process.stdout is None:
            message = "Node was started without pipes."
            raise RuntimeError(message)
        print(json.dumps(job), file=self._process.stdin, flush=True)
        found: list[tuple[float, float]] | None = json.loads(
            self._process.stdout.readline() or "null"
        )
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time of Node."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system
