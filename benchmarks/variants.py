"""Measure what is reported falsely when natives and good synthetic voices read correctly.

    python benchmarks/variants.py [--clips DIR] [--sentences N] [--engine ENGINE] [--smoke] [--json]

Every installed voice of `benchmarks/voices.py` reads the sentences below; CLIPS has one folder per
group of other readers (see `benchmarks/gate_groups.py`). Everything is read as written, in the
reader's accent, so each reported word is a false alarm. Prints, by voice and for all synthetic
voices and all clips, the share of words that are reported, the mean accuracy score (0-100), and the
share of recordings that are refused or doubted. Voices that are not installed are named.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import frame
from benchmarks.analysed_corpus import ENGINE
from benchmarks.gate_groups import read_clips
from benchmarks.voices import voices
from speech import engine as speech_engine
from speech.errors import SpeechError
from speech.scores.gate import POSSIBLE
from speech.waveform import AudioEncoding, decode
from training.signals import Waveform

SENTENCES: Final = (
    "Good morning, how are you today?",
    "I would like a cup of coffee and a glass of water, please.",
    "Could you tell me the way to the station?",
    "My sister works in a hospital near the river.",
    "We have lived in this city for eleven years.",
    "What time does the next train to London leave?",
    "I usually get up at half past six on weekdays.",
    "She bought a new jacket because the old one was too small.",
    "Can you help me carry these boxes upstairs?",
    "The weather was beautiful, so we walked along the beach.",
    "He thinks that the third question is more difficult.",
    "Do you prefer tea or orange juice with your breakfast?",
    "They are going to visit their grandparents in March.",
    "I forgot my umbrella at the office yesterday.",
    "Please write your name and address at the top of the page.",
    "The children were playing football in the park.",
    "My favourite subject at school was history.",
    "Have you ever been to a concert in the open air?",
    "I am looking for a birthday present for my mother.",
    "The bus was late again, and I missed the meeting.",
    "There is a small bakery on the corner of our street.",
    "You should drink more water and eat less sugar.",
    "We watched a very funny film last Thursday evening.",
    "Would you mind opening the window for a moment?",
    "He has worked as a teacher since he left university.",
    "The red car in front of the house belongs to my neighbour.",
    "I enjoy reading, but I rarely have enough time for it.",
    "If it rains tomorrow, we will stay at home and cook.",
    "She speaks three languages and is learning a fourth.",
    "Thank you very much for your help, see you next week.",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine said of one recording; no words if it was refused."""

    words: int = 0
    reported: int = 0
    accuracy: float = np.nan
    is_doubted: bool = False


def reading_of(waveform: Waveform, text: str, engine: str) -> Reading:
    """Analyse one correct reading."""
    try:
        analysis = speech_engine.analyze(waveform, text, "en", engine=engine)
    except SpeechError:
        return Reading()
    return Reading(
        len(analysis.raw_alignment["words"]),
        len(analysis.problematic_words),
        analysis.raw_features["accuracy"],
        analysis.raw_features["mismatch"] > POSSIBLE,
    )


def figures(readings: Sequence[Reading]) -> dict[str, Any]:
    """Summarise the readings of one voice or group."""
    scored = [one for one in readings if one.words]
    words = sum(one.words for one in scored)
    return {
        "recordings": len(readings),
        "words": words,
        "reported": round(sum(one.reported for one in scored) / max(words, 1), 4),
        "accuracy": round(float(np.mean([one.accuracy for one in scored])), 1) if scored else None,
        "refused": round(1 - len(scored) / len(readings), 4),
        "doubted": round(float(np.mean([one.is_doubted for one in readings])), 4),
    }


def _clip_readings(clips: Path, engine: str) -> Iterator[tuple[str, list[Reading]]]:
    for group, recordings in read_clips(clips).items():
        yield (
            group,
            [
                reading_of(decode(one.audio.read_bytes(), AudioEncoding()), one.text, engine)
                for one in recordings
            ],
        )


def measure(clips: Path | None, sentences: int, engine: str) -> dict[str, Any]:
    """Let every voice read so many sentences."""
    speaking, missing = voices()
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    said = {
        name: [reading_of(speaker(text), text, engine) for text in SENTENCES[:sentences]]
        for name, speaker in speaking.items()
    }
    recorded = dict(_clip_readings(clips, engine)) if clips else {}
    return {
        "synthetic": _all_of(said),
        "clips": _all_of(recorded),
        "voices": {name: figures(some) for name, some in {**said, **recorded}.items()},
        "missing": sorted(missing),
    }


def _all_of(by_voice: Mapping[str, Sequence[Reading]]) -> dict[str, Any] | None:
    readings = [one for some in by_voice.values() for one in some]
    return figures(readings) if readings else None


def table(found: frame.Figures) -> str:
    """Format the figures for people."""
    columns = ("recordings", "words", "reported", "accuracy", "refused", "doubted")
    rows = {**found["voices"], "all synthetic": found["synthetic"], "all clips": found["clips"]}
    lines = [f"{'':26}" + "".join(f"{column:>12}" for column in columns)]
    lines += [
        f"{name:26}" + "".join(f"{row[column]!s:>12}" for column in columns)
        for name, row in rows.items()
        if row
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "clips": frame.Folder("folder of recordings by group"),
            "sentences": frame.Size(len(SENTENCES), smoke=1, help="sentences for each voice"),
            "engine": ENGINE,
        },
        show=table,
    )
