"""How fast is one analysis on one thread, and how much of it is pocketsphinx?

    OPENBLAS_NUM_THREADS=1 python benchmarks/engine_speed.py [--corpus DIR] [--sample N] [--json]

The floor is the bare alignment, two passes of pocketsphinx, timed on the same clips in the same
run. Without a corpus (`labels.jsonl`, `audio/*.flac`) the clips of the tests are analysed.
"""

import argparse
import json
import random
import resource
import time
from collections import Counter
from pathlib import Path

from speech import engine
from speech.alignment.interim import align
from speech.errors import SpeechError
from speech.text import transcript
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

OWN_CLIPS = Path(__file__).parents[1] / "tests" / "speech" / "data"
OWN_TEXTS = {
    "fox": "The quick brown fox jumps over the lazy dog.",
    "pauses": "I would like a glass of water, please.",
    "number": "She was born in 1999 in a small town.",
}


def clips(corpus: Path | None, sample: int) -> list[tuple[bytes, str]]:
    """Read files and their texts, the same ones for the same sample size."""
    if corpus is None:
        own = [((OWN_CLIPS / f"{n}.flac").read_bytes(), t) for n, t in OWN_TEXTS.items()]
        return own * (sample // len(own) + 1)
    lines = (corpus / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = random.Random(0).sample([json.loads(line) for line in lines], k=sample)  # noqa: S311 - a sample, no secret
    return [
        ((corpus / "audio" / f"{label['utterance']}.flac").read_bytes(), label["text"])
        for label in chosen
    ]


def main() -> None:
    """Print seconds of audio a second of CPU time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    began = time.process_time()
    engine.load("en")
    load_seconds = time.process_time() - began
    audio_seconds = whole = floor = 0.0
    failed: Counter[str] = Counter()
    for data, text in clips(arguments.corpus, arguments.sample):
        began = time.process_time()
        waveform = decode(data, AudioEncoding())
        try:
            engine.analyze(waveform, text, "en")
        except SpeechError as error:
            failed[error.cause] += 1
        whole += time.process_time() - began
        words = [part for word in transcript.read(text, "en").words for part in word.spoken]
        began = time.process_time()
        align(waveform, words)
        floor += time.process_time() - began
        audio_seconds += len(waveform) / SAMPLE_RATE_HZ
    figures = {
        "times_real_time": round(audio_seconds / whole, 1),
        "times_real_time_alignment": round(audio_seconds / floor, 1),
        "ratio_analysis_to_alignment": round(whole / floor, 3),
        "load_seconds": round(load_seconds, 2),
        # Kilobytes on Linux.
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "failed": dict(failed),
    }
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
