"""Forced alignment: ours against pocketsphinx's, and Echogarden's where it is installed.

    python benchmarks/alignment_peers.py [--corpus DIR] [--sample N] [--smoke] [--json]

All align the same recordings of known texts, in turn. pocketsphinx uses the same acoustic model,
once with its default beams and once with beams so wide that it fails for hardly any learner.
Echogarden (`npm install -g echogarden`, used once so that it has its voices) warps synthetic speech
onto the recording; its CPU time is the sum over all its threads. The true boundaries of learners'
speech are unknown, so the figures are distances between the peers' boundaries and ours: in all
recordings, and in plain ones, in which ours finds neither fillers nor repeated words, which the
peers do not support. Without a corpus it aligns the clips of the tests.
"""

import multiprocessing
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import frame
from benchmarks.aligners import WIDE_BEAMS, Aligner, Echogarden, Found, Lost, Ours, PocketSphinx
from settings.processes import limit_blas_threads
from speech.text import transcript
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from training.corpus import read_corpus
from training.signals import Waveform

OWN_CLIPS: Final = Path(__file__).parents[1] / "tests" / "speech" / "data"
OWN_TEXTS: Final = {
    "fox": "The quick brown fox jumps over the lazy dog.",
    "pauses": "I would like a glass of water, please.",
}
CLOSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Recording:
    """A file and its text."""

    audio: Path
    text: str

    def read(self) -> tuple[Waveform, list[str]]:
        """Return the decoded waveform and the spoken words."""
        words = transcript.read(self.text, "en").words
        spoken = [part for word in words for part in word.spoken]
        return decode(self.audio.read_bytes(), AudioEncoding()), spoken


@dataclass(slots=True)
class Tally:
    """Results of one aligner, and distances of its boundaries from ours, in seconds."""

    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    failed: int = 0
    distances: dict[str, list[float]] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Return the figures by name; distances only if there are boundaries."""
        return {
            "times_real_time": round(self.audio_seconds / self.cpu_seconds, 1),
            "failed": self.failed,
            **{
                f"{kind}_{name}": value
                for kind, distances in self.distances.items()
                for name, value in _spread(distances).items()
            },
        }

    def compare(self, ours: Found, theirs: Found) -> None:
        """Add the distances of one recording, separately too if it is plain reading."""
        for kind, distances in (
            ("word", list(_word_distances(ours, theirs))),
            ("phone", list(_phone_distances(ours, theirs))),
        ):
            self.distances.setdefault(kind, []).extend(distances)
            self.distances.setdefault(f"plain_{kind}", []).extend(distances * ours.is_plain)


def _spread(distances: Sequence[float]) -> dict[str, float]:
    if not distances:
        return {}
    # Multiples of 10 ms are not exact as floats.
    close = sum(distance < CLOSE_SECONDS + 1e-6 for distance in distances)
    return {
        "mean_ms": round(1000 * statistics.fmean(distances), 1),
        "median_ms": round(1000 * statistics.median(distances), 1),
        "within_20_ms": round(close / len(distances), 4),
    }


def measure(recordings: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Align all recordings with all aligners."""
    with ExitStack() as stack:
        aligners: dict[str, Aligner] = {
            "ours": Ours(),
            "pocketsphinx": PocketSphinx(**WIDE_BEAMS),
            "pocketsphinx_default_beams": PocketSphinx(),
        }
        try:
            aligners["echogarden"] = stack.enter_context(Echogarden())
        except FileNotFoundError as error:
            print(f"Echogarden is left out: {error}.")
        waveform, words = recordings[0].read()
        for aligner in aligners.values():
            _align(aligner, Tally(), waveform, words)  # models are read at the first call
        tallies = {name: Tally() for name in aligners}
        for recording in recordings:
            _align_with_all(aligners, tallies, *recording.read())
    return {name: tally.figures() for name, tally in tallies.items()}


def _align_with_all(
    aligners: Mapping[str, Aligner],
    tallies: Mapping[str, Tally],
    waveform: Waveform,
    words: Sequence[str],
) -> None:
    found = {name: _align(one, tallies[name], waveform, words) for name, one in aligners.items()}
    ours = found.pop("ours")
    for name, theirs in found.items():
        if ours is not None and theirs is not None:
            tallies[name].compare(ours, theirs)


def _align(
    aligner: Aligner, tally: Tally, waveform: Waveform, words: Sequence[str]
) -> Found | None:
    began = aligner.cpu_seconds()
    found = None
    try:
        found = aligner.align(waveform, words)
    except Lost:
        tally.failed += 1
    tally.cpu_seconds += aligner.cpu_seconds() - began
    tally.audio_seconds += len(waveform) / SAMPLE_RATE_HZ
    return found


def _word_distances(ours: Found, theirs: Found) -> Iterator[float]:
    for (start, end), (their_start, their_end) in zip(ours.words, theirs.words, strict=True):
        yield abs(start - their_start)
        yield abs(end - their_end)


def _phone_distances(ours: Found, theirs: Found) -> Iterator[float]:
    """Yield distances of phones' starts, in words where both chose the same pronunciation."""
    for phones, their_phones in zip(ours.phones, theirs.phones, strict=False):
        if [name for name, *_ in phones] == [name for name, *_ in their_phones]:
            for (_, start, _), (_, their_start, _) in zip(phones, their_phones, strict=True):
                yield abs(start - their_start)


def recordings(corpus: Path | None, sample: int) -> list[Recording]:
    """Return a sample of recordings, always the same for the same size."""
    if corpus is None:
        return [Recording(OWN_CLIPS / f"{name}.flac", text) for name, text in OWN_TEXTS.items()]
    return [Recording(one.audio, one.text) for one in read_corpus(corpus, sample)]


def measure_apart(corpus: Path | None, sample: int) -> dict[str, dict[str, float]]:
    """Measure in a new process, where numpy has one thread."""
    chosen = recordings(corpus, sample)
    print(f"{len(chosen)} recordings; distances of boundaries are from ours")
    limit_blas_threads()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, chosen).result()


def show(found: frame.Figures) -> str:
    """Format the figures, one paragraph per aligner."""
    return "\n".join(f"{name}\n{frame.as_lines(figures)}" for name, figures in found.items())


if __name__ == "__main__":
    frame.run(
        measure_apart,
        {
            "corpus": frame.Folder("folder of rated recordings; without it the clips of the tests"),
            "sample": frame.Size(250, smoke=5, help="recordings of the corpus"),
        },
        show=show,
    )
