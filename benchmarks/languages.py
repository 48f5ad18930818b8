"""Each language and engine: speed, and edges of words against exact truth.

    python benchmarks/languages.py [--corpus DIR] [--sentences N] [--sample N] [--smoke] [--json]

The truth is speech of espeak-ng's voice variants at several tempos, with random pauses between
words, margins, and noise 30 dB below; the voice itself says when each word begins. Speed is audio
by processor time, on one thread, of this process and the voice's. In English, dtw is also compared
with kaiwa's alignment of the tests' clips and, with a corpus, of learners' recordings, whose true
edges are unknown.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # noqa: TID251 - before numpy is loaded

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks import frame
from benchmarks.alignment_peers import OWN_CLIPS, OWN_TEXTS
from benchmarks.spoken_truth import SENTENCES, Truth, recorded
from speech import engine as speech_engine
from speech.analysis import SpeechAnalysis
from speech.errors import SpeechError
from speech.synthetic_voice import Speak
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from tasks.analysis.voice import Voice
from training.corpus import read_corpus
from training.signals import Waveform

WITHOUT_SPACES: Final = ("ja", "zh")
_LEAST_WELL_RATED: Final = 8.0

Errors = NDArray[np.float64]


class Speed:
    """Seconds of audio, and the processor time of this process and its children for them."""

    def __init__(self) -> None:
        self.audio = self.processor = 0.0

    def analyzed(
        self, waveform: Waveform, text: str, language: str, engine: str, speak: Speak
    ) -> SpeechAnalysis:
        """Analyse a recording and count its time."""
        begin = _processor_seconds()
        try:
            return speech_engine.analyze(waveform, text, language, engine=engine, speak=speak)
        finally:
            self.processor += _processor_seconds() - begin
            self.audio += len(waveform) / SAMPLE_RATE_HZ

    def times_real_time(self) -> float:
        """Return how much faster than the recordings it was."""
        return round(self.audio / self.processor, 1)


def _processor_seconds() -> float:
    children = [child.cpu_times() for child in psutil.Process().children()]
    return time.process_time() + sum(used.user + used.system for used in children)


def edges_of(analysis: SpeechAnalysis) -> Errors:
    """Return beginning and end of each word, shape (words, 2), seconds."""
    spans = [
        (timing.start_ms, timing.end_ms)
        for timing in analysis.speech_timings
        if timing.word and not timing.is_pause
    ]
    return np.array(spans, dtype=float) / 1000


def off_in(
    language: str, truths: Iterable[Truth], speed: Speed, speak: Speak
) -> tuple[Errors, Errors, int]:
    """Return how far words' and phrases' edges are off, in seconds, and how many were refused."""
    words, phrases, refused = [], [], 0
    for truth in truths:
        try:
            analysis = speed.analyzed(truth.waveform, truth.text, language, "dtw", speak)
        except SpeechError:
            refused += 1
            continue
        off = np.abs(edges_of(analysis) - truth.edges)
        words.append(off.ravel())
        phrases += [(off[first, 0], off[after - 1, 1]) for first, after in truth.phrases]
    return np.concatenate(words), np.array(phrases).ravel(), refused


def agreement(recordings: Sequence[tuple[Waveform, str]], speak: Speak) -> dict[str, Any]:
    """Compare dtw's edges with kaiwa's where both analyse a recording."""
    off = []
    for waveform, text in recordings:
        try:
            ours, kaiwas = (
                edges_of(speech_engine.analyze(waveform, text, "en", engine=engine, speak=speak))
                for engine in (speech_engine.DTW, "kaiwa")
            )
        except SpeechError:
            continue
        if ours.shape == kaiwas.shape:  # kaiwa also finds repeats that the text does not have
            off.append(np.abs(ours - kaiwas).ravel())
    both = np.concatenate(off)
    return {
        "recordings": len(off),
        "median_ms": _ms(float(np.median(both))),
        "mean_ms": _ms(float(both.mean())),
        "within_50ms": _within(both, 0.05),
        "within_100ms": _within(both, 0.1),
    }


def _clips() -> list[tuple[Waveform, str]]:
    return [
        (decode((OWN_CLIPS / f"{name}.flac").read_bytes(), AudioEncoding()), text)
        for name, text in OWN_TEXTS.items()
    ]


def _learners(corpus: Path, sample: int) -> Iterator[tuple[str, list[tuple[Waveform, str]]]]:
    chosen = read_corpus(corpus, sample)
    rated = [one for one in chosen if one.means["accuracy"] >= _LEAST_WELL_RATED]
    for name, utterances in (("learners", chosen), ("learners_rated_8", rated)):
        yield name, [(one.waveform(), one.text) for one in utterances]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


def _within(off: Errors, seconds: float) -> float:
    return round(float((off <= seconds).mean()), 3)


def measure(corpus: Path | None, sentences: int, sample: int) -> frame.Figures:
    """Return speed by engine, and distances from the truth by language."""
    speeds = {engine: Speed() for engine in speech_engine.LANGUAGES}
    edge_ms, within, phrases, refused = {}, {}, {}, 0
    with Voice() as speak, Voice() as truths_voice:
        for engine, languages in speech_engine.LANGUAGES.items():
            for language in languages:
                speech_engine.load(language, engine)
        for language in sorted(SENTENCES):
            truths = recorded(language, sentences, truths_voice)
            off, off_phrases, failed = off_in(language, truths, speeds["dtw"], speak)
            edge_ms[language], within[language] = _ms(float(off.mean())), _within(off, 0.05)
            refused += failed
            if language in WITHOUT_SPACES:
                phrases[language] = _within(off_phrases, 0.1)
            if language == "en":
                for engine in ("kaiwa", "kaiwa-large"):
                    for truth in truths:
                        speeds[engine].analyzed(truth.waveform, truth.text, "en", engine, speak)
        groups = {"clips": _clips()} | (dict(_learners(corpus, sample)) if corpus else {})
        agreements = {name: agreement(recordings, speak) for name, recordings in groups.items()}
    return {
        "times_real_time": {engine: speed.times_real_time() for engine, speed in speeds.items()},
        "edge_ms": edge_ms,
        "within_50ms": within,
        "phrase_within_100ms": phrases,
        "agreement_with_kaiwa": agreements,
        "refused": refused,
    }


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "corpus": frame.Folder("folder of rated recordings; without it only the tests' clips"),
            "sentences": frame.Size(8, smoke=1, help="sentences a language, each in four voices"),
            "sample": frame.Size(200, smoke=2, help="learners' recordings"),
        },
    )
