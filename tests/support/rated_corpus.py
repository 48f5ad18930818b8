"""Fixtures: a small corpus of rated recordings."""

import json
import shutil
from pathlib import Path

import pytest

from training.corpus import read_corpus

CLIPS = Path(__file__).parents[1] / "speech" / "data"


@pytest.fixture
def label():
    """One line of `labels.jsonl`, as rated as asked."""

    def _label(utterance, *, speaker="0001", text="WE CALL", score=8.0, phones=2):
        return {
            "utterance": utterance,
            "speaker": speaker,
            "seconds": 2.0,
            "text": text,
            **dict.fromkeys(("accuracy", "fluency", "prosodic", "total"), score),
            **dict.fromkeys(("accuracy_median", "total_median"), score + 0.5),
            "words": [
                {
                    "text": word,
                    "accuracy": score,
                    "phones": ["IY"] * phones,
                    "phone_accuracy": [score / 5] * phones,
                }
                for word in text.split()
            ],
        }

    return _label


@pytest.fixture
def corpus_of(tmp_path):
    """A folder with these labels, every recording the same clip."""

    def _corpus_of(labels):
        (tmp_path / "audio").mkdir()
        for label in labels:
            shutil.copy(CLIPS / "fox.flac", tmp_path / "audio" / f"{label['utterance']}.flac")
        for name, rows in (("labels", labels), ("annotations", map(_annotation, labels))):
            lines = "\n".join(map(json.dumps, rows))
            (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        return tmp_path

    return _corpus_of


def _annotation(label):
    """What five experts of one opinion gave a girl."""
    return {
        **{name: label[name] for name in ("utterance", "speaker")},
        "age": 9,
        "gender": "f",
        **{name: [label[name]] * 5 for name in ("accuracy", "fluency", "prosodic", "total")},
        "words": [{"accuracy": [word["accuracy"]] * 5} for word in label["words"]],
    }


@pytest.fixture
def utterances(label, corpus_of):
    """Four speakers' recordings, each rated better than the one before."""
    texts = ("WE CALL", "CALL WE", "WE WE", "CALL CALL")
    return read_corpus(
        corpus_of(
            [label(f"u{n}", speaker=str(n), score=n, text=text) for n, text in enumerate(texts)]
        )
    )
