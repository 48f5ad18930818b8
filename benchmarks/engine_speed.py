"""Measure the speed of one analysis on one thread, and the time of each stage.

    python benchmarks/engine_speed.py [--corpus DIR] [--sample N] [--engine ENGINE] [--smoke]
                                      [--json]

The peer is pocketsphinx's forced alignment, words and phones, of the same clips in the same run;
it gives no scores. Each stage is timed separately, after the whole analysis. So is Whisper's
encoder, also with fewer layers; its floor are the same matrix products alone. Without a corpus
(`labels.jsonl`, `audio/*.flac`) it analyses the clips of the tests.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # noqa: TID251 - before numpy is loaded

import json
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks import frame
from benchmarks.aligners import WIDE_BEAMS, Lost, PocketSphinx
from benchmarks.analysed_corpus import ENGINE
from speech.acoustics.front_end import cepstra, features
from speech.acoustics.log_mel import log_mel
from speech.acoustics.model_files import acoustic_model
from speech.acoustics.pitch import pitch
from speech.acoustics.senones import log_likelihoods
from speech.acoustics.whisper import LAYERS, WIDTH, state_count, whisper_encoder
from speech.alignment.forced import aligned_pieces
from speech.engine import analyze, load
from speech.errors import SpeechError
from speech.scores.features import network_input, step_embeddings
from speech.scores.model import scoring_model
from speech.text import transcript
from speech.text.lexicon import pronounce
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from training.signals import Waveform

OWN_CLIPS = Path(__file__).parents[1] / "tests" / "speech" / "data"
OWN_TEXTS = {
    "fox": "The quick brown fox jumps over the lazy dog.",
    "pauses": "I would like a glass of water, please.",
    "number": "She was born in 1999 in a small town.",
}


# Inputs and outputs of the encoder's products with weights: of its convolutions, of each layer.
CONVOLUTIONS = ((3 * 80, WIDTH), (3 * 80, WIDTH), (3 * WIDTH, WIDTH))  # the first at twice the rate
LAYER = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))
MATRICES = [np.ones(shape, np.float32) for shape in (*CONVOLUTIONS, *LAYER * LAYERS)]
SHALLOWER = (3, 2)
STAGES = {
    "front_end": ("front_end",),
    "alignment": ("densities", "search"),
    "network": ("measures", "network"),
    "encoder": ("encoder",),
    **{f"encoder_{layers}_layers": (f"encoder_{layers}_layers",) for layers in SHALLOWER},
}


class Clock:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Add the CPU time of the block."""
        began = time.process_time()
        yield
        self.seconds[name] += time.process_time() - began


def clips(corpus: Path | None, sample: int) -> list[tuple[bytes, str]]:
    """Return a sample of files and texts, always the same for the same size."""
    if corpus is None:
        own = [((OWN_CLIPS / f"{n}.flac").read_bytes(), t) for n, t in OWN_TEXTS.items()]
        return own * (sample // len(own) + 1)
    lines = (corpus / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = random.Random(0).sample([json.loads(line) for line in lines], k=sample)  # noqa: S311 - a sample, not a secret
    return [
        ((corpus / "audio" / f"{label['utterance']}.flac").read_bytes(), label["text"])
        for label in chosen
    ]


def time_stages(waveform: Waveform, words: list[str], clock: Clock, engine: str) -> None:
    """Run the stages of an analysis one by one."""
    model = scoring_model(engine)
    with clock.timing("pitch"):
        voice = pitch(waveform)
    with clock.timing("front_end"):
        frames = features(cepstra(waveform))
    with clock.timing("densities"):
        log_likelihoods(acoustic_model(), frames, acoustic_model().context_independent)
    with clock.timing("densities_and_search"):
        pieces = list(aligned_pieces(frames, words, [pronounce(word) for word in words]))
    for piece in pieces[:1]:  # rated clips are one piece
        with clock.timing("embeddings"):
            embeddings = step_embeddings(model.encoder, waveform, len(frames))
        with clock.timing("measures"):
            given = network_input(frames, piece, voice, model.durations, embeddings)
        with clock.timing("network"):
            model.predict(given)
    with clock.timing("log_mel"):
        log_mel(waveform)
    with clock.timing("encoder"):
        whisper_encoder().states(waveform)
    for layers in SHALLOWER:
        with clock.timing(f"encoder_{layers}_layers"):
            whisper_encoder().states(waveform, [layers])
    inputs = np.ones((state_count(len(waveform)), 4 * WIDTH), np.float32)
    with clock.timing("encoder_products"):
        for matrix in MATRICES:
            inputs[:, : len(matrix)] @ matrix


def measure(corpus: Path | None, sample: int, engine: str) -> frame.Figures:
    """Return seconds of audio per CPU second, and CPU milliseconds per second of audio."""
    clock = Clock()
    with clock.timing("load"):
        load("en", engine)
    audio_seconds = 0.0
    failed: Counter[str] = Counter()
    waveforms = []
    for data, text in clips(corpus, sample):
        with clock.timing("decoding"):
            waveform = decode(data, AudioEncoding())
        with clock.timing("analysis"):
            try:
                analyze(waveform, text, "en", engine=engine)
            except SpeechError as error:
                failed[error.cause] += 1
        audio_seconds += len(waveform) / SAMPLE_RATE_HZ
        words = [part for word in transcript.read(text, "en").words for part in word.spoken]
        waveforms.append((waveform, words))
    # Kilobytes on Linux; before the peer loads its own model.
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with clock.timing("encoder_load"):
        whisper_encoder()
    peer = PocketSphinx(**WIDE_BEAMS)
    for waveform, words in waveforms:
        time_stages(waveform, words, clock, engine)
        with clock.timing("pocketsphinx"):
            try:
                peer.align(waveform, words)
            except Lost:
                failed["pocketsphinx lost"] += 1
    seconds = clock.seconds
    seconds["search"] = seconds.pop("densities_and_search") - seconds["densities"]
    whole = seconds["decoding"] + seconds["analysis"]
    return {
        "times_real_time": round(audio_seconds / whole, 1),
        "times_real_time_pocketsphinx": round(audio_seconds / seconds["pocketsphinx"], 1),
        "ratio_to_pocketsphinx": round(whole / seconds["pocketsphinx"], 3),
        "milliseconds_a_second": {
            name: round(1000 * value / audio_seconds, 2)
            for name, value in seconds.items()
            if name not in {"load", "encoder_load", "pocketsphinx"}
        },
        "stages_times_real_time": {
            name: round(audio_seconds / sum(seconds[part] for part in parts), 1)
            for name, parts in STAGES.items()
        },
        "ratio_encoder_to_analysis": round(seconds["encoder"] / seconds["analysis"], 3),
        "ratio_encoder_to_products": round(seconds["encoder"] / seconds["encoder_products"], 3),
        "encoder_load_seconds": round(seconds["encoder_load"], 2),
        "load_seconds": round(seconds["load"], 2),
        "peak_memory_mb": round(peak_mb),
        "failed": dict(failed),
    }


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "corpus": frame.Folder("folder of rated recordings; without it the clips of the tests"),
            "sample": frame.Size(100, smoke=3, help="recordings"),
            "engine": ENGINE,
        },
    )
