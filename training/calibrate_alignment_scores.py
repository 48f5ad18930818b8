"""Fit `speech/models/alignment_scores.json` on a corpus that experts rated.

    python -m training.calibrate_alignment_scores CORPUS [--output FILE]

CORPUS holds `labels.jsonl` and `audio/*.flac` (speechocean762). Every utterance is aligned with
its own text and with another's; ridge and logistic regressions map the alignments to the
experts' scores and to "wrong text". Five folds, no speaker in two of them, tell how well that
works on unknown speakers; the constants written are then fitted on all. Needs numpy alone.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.alignment.interim import Alignment, align
from speech.fluency import Fluency, fluency
from speech.scores import scoring
from speech.scores.calibration import Calibration, LinearMap, PhoneNorm
from speech.scores.features import phone_features, utterance_features, word_features
from speech.text import transcript
from speech.utterance import spoken_words

Array = NDArray[np.float64]

FOLDS = 5
RIDGE = 30.0  # on standardised features; anything from 1 to 100 does as well
MIN_SPREAD = 0.1  # for phones that are rare in the corpus
REFUSED, WARNED = 0.01, 0.05  # learners who said the text
FLAGGED = 0.35  # confidence below which feedback names a word


@dataclass(frozen=True)
class Example:
    """One utterance, aligned with its own text and with another's."""

    label: dict[str, Any]
    alignment: Alignment
    fluency: Fluency
    wrong: tuple[Alignment, Fluency]


def _aligned(audio: Path, text: str) -> tuple[Alignment, Fluency]:
    waveform, _ = soundfile.read(audio, dtype="float32")
    words = transcript.read(text, "en").words
    alignment = align(waveform, [spoken for word in words for spoken in word.spoken])
    return alignment, fluency(spoken_words(words, alignment))


def _example(job: tuple[Path, dict[str, Any], str]) -> Example:
    audio, label, other_text = job
    alignment, measured = _aligned(audio, label["text"])
    return Example(label, alignment, measured, _aligned(audio, other_text))


def read_corpus(corpus: Path) -> list[Example]:
    """Align everything, on all cores."""
    lines = (corpus / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line) for line in lines]
    others = np.random.default_rng(0).permutation(len(labels))
    jobs = [
        (corpus / "audio" / f"{label['utterance']}.flac", label, labels[other]["text"])
        for label, other in zip(labels, others, strict=True)
        if labels[other]["text"] != label["text"]
    ]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(_example, jobs, chunksize=20))


def _norms(examples: Sequence[Example]) -> dict[str, PhoneNorm]:
    measured, rated = defaultdict(list), defaultdict(list)
    for example in examples:
        for word, rating in _rated_words(example):
            for index, phone in enumerate(word.phones):
                measured[phone.phone].append((phone.score, np.log(phone.end - phone.start)))
                # Only where the aligner chose the pronunciation that the experts rated.
                if [p.phone for p in word.phones] == rating["phones"]:
                    rated[phone.phone].append(rating["phone_accuracy"][index])
    norms = {}
    for phone, values in sorted(measured.items()):
        means = np.mean(values, axis=0)
        spreads = np.maximum(np.std(values, axis=0), MIN_SPREAD)
        norms[phone] = PhoneNorm(
            float(means[0]), float(spreads[0]), float(means[1]), float(spreads[1]),
            float(np.mean(rated[phone] or [2.0])),
        )  # fmt: skip
    return norms


def _rated_words(example: Example) -> list[tuple[Any, dict[str, Any]]]:
    return list(zip(example.alignment.words, example.label["words"], strict=True))


def _ridge(features: dict[str, Array], target: Array) -> LinearMap:
    names, values = tuple(features), np.column_stack(list(features.values()))
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    standard = (values - mean) / spread
    gram = standard.T @ standard + RIDGE * np.eye(len(names))
    weights = np.linalg.solve(gram, standard.T @ (target - target.mean())) / spread
    return LinearMap(names, tuple(weights.tolist()), float(target.mean() - mean @ weights))


def _logistic(features: dict[str, Array], target: Array) -> LinearMap:
    """Penalised logistic regression by Newton's method."""
    names, values = tuple(features), np.column_stack(list(features.values()))
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    standard = np.column_stack([np.ones(len(values)), (values - mean) / spread])
    penalty = np.diag([0.0] + [1.0] * len(names))
    weights = np.zeros(len(names) + 1)
    for _ in range(25):
        probability = 1 / (1 + np.exp(-standard @ weights))
        gradient = standard.T @ (target - probability) - penalty @ weights
        slope = probability * (1 - probability)
        weights += np.linalg.solve((standard.T * slope) @ standard + penalty, gradient)
    scaled = weights[1:] / spread
    return LinearMap(names, tuple(scaled.tolist()), float(weights[0] - mean @ scaled))


@dataclass(frozen=True)
class Tables:
    """Features as columns, and what the experts said, for phones, words and utterances."""

    phones: dict[str, Array]
    phone_accuracy: Array
    words: dict[str, Array]
    word_accuracy: Array
    utterances: dict[str, Array]
    accuracy: Array
    fluency: Array
    wrong: dict[str, Array]


def _tables(examples: Sequence[Example], norms: dict[str, PhoneNorm]) -> Tables:
    phones, words, utterances, wrong = [], [], [], []
    phone_accuracy: list[float] = []
    word_accuracy: list[float] = []
    for example in examples:
        spoken = [word.phones for word in example.alignment.words]
        table = phone_features(spoken, norms)
        words.append(word_features(table, [len(word) for word in spoken]))
        utterances.append(utterance_features(example.alignment, example.fluency, table))
        other, other_fluency = example.wrong
        other_table = phone_features([word.phones for word in other.words], norms)
        wrong.append(utterance_features(other, other_fluency, other_table))
        agrees: list[bool] = []
        for word, rating in _rated_words(example):
            word_accuracy.append(rating["accuracy"])
            same = [phone.phone for phone in word.phones] == rating["phones"]
            agrees += [same] * len(word.phones)
            phone_accuracy += rating["phone_accuracy"] if same else []
        phones.append({name: column[agrees] for name, column in table.items()})
    return Tables(
        _stacked(phones), np.array(phone_accuracy), _stacked(words), np.array(word_accuracy),
        _stacked(utterances), np.array([e.label["accuracy"] for e in examples]),
        np.array([e.label["fluency"] for e in examples]), _stacked(wrong),
    )  # fmt: skip


def _stacked(tables: Sequence[dict[str, Any]]) -> dict[str, Array]:
    return {name: np.hstack([table[name] for table in tables]) for name in tables[0]}


def fit(examples: Sequence[Example]) -> Calibration:
    """Fit all maps and thresholds."""
    norms = _norms(examples)
    tables = _tables(examples, norms)
    both = {n: np.hstack([tables.utterances[n], tables.wrong[n]]) for n in tables.utterances}
    is_wrong = np.repeat([0.0, 1.0], len(examples))
    mismatch = _logistic(both, is_wrong)
    learners = mismatch.of(tables.utterances)
    return Calibration(
        phone_norms=norms,
        phone=_ridge(tables.phones, tables.phone_accuracy),
        word=_logistic(tables.words, (tables.word_accuracy >= scoring.WELL_SAID).astype(float)),
        accuracy=_ridge(tables.utterances, tables.accuracy),
        fluency=_ridge(tables.utterances, tables.fluency),
        mismatch=mismatch,
        mismatch_certain=float(np.quantile(learners, 1 - REFUSED)),
        mismatch_possible=float(np.quantile(learners, 1 - WARNED)),
    )


def validate(examples: Sequence[Example]) -> None:
    """Print what maps fitted without a speaker are worth for that speaker."""
    speakers = np.unique([example.label["speaker"] for example in examples])
    np.random.default_rng(0).shuffle(speakers)
    collected: dict[str, list[tuple[Array, Array]]] = defaultdict(list)
    for held_out in np.array_split(speakers, FOLDS):
        known = [e for e in examples if e.label["speaker"] not in held_out]
        unknown = [e for e in examples if e.label["speaker"] in held_out]
        fitted = fit(known)
        tables = _tables(unknown, dict(fitted.phone_norms))
        for name, got, wanted in (
            ("phone", fitted.phone.of(tables.phones), tables.phone_accuracy),
            ("word", fitted.word.of(tables.words), tables.word_accuracy),
            ("accuracy", fitted.accuracy.of(tables.utterances), tables.accuracy),
            ("fluency", fitted.fluency.of(tables.utterances), tables.fluency),
            ("refused", fitted.mismatch.of(tables.utterances), np.full(1, fitted.mismatch_certain)),
            ("warned", fitted.mismatch.of(tables.utterances), np.full(1, fitted.mismatch_possible)),
            ("caught", fitted.mismatch.of(tables.wrong), np.full(1, fitted.mismatch_certain)),
            ("doubted", fitted.mismatch.of(tables.wrong), np.full(1, fitted.mismatch_possible)),
        ):
            collected[name].append((got, wanted))
    for name in ("phone", "word", "accuracy", "fluency"):
        got, wanted = (np.hstack(parts) for parts in zip(*collected[name], strict=True))
        print(f"{name:9} correlation with the experts' mean {np.corrcoef(got, wanted)[0, 1]:.3f}")
    _print_flags(*(np.hstack(parts) for parts in zip(*collected["word"], strict=True)))
    for name in ("refused", "warned", "caught", "doubted"):
        share = np.mean(np.hstack([got > limit for got, limit in collected[name]]))
        print(f"{name:9} {100 * share:.1f} % of utterances with the {_whose(name)} text")


def _whose(name: str) -> str:
    return "right" if name in {"refused", "warned"} else "wrong"


def _print_flags(log_odds: Array, accuracy: Array) -> None:
    confidence = 1 / (1 + np.exp(-log_odds))
    flagged = confidence < FLAGGED
    bad = accuracy < scoring.WELL_SAID
    print(
        f"flagged   {100 * flagged.mean():.1f} % of words, {100 * bad[flagged].mean():.0f} % "
        f"rightly (experts below {scoring.WELL_SAID:g} of 10; {100 * bad.mean():.0f} % of all are)"
    )


def main() -> None:
    """Align, validate, fit on all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--output", type=Path, default=Path("speech/models/alignment_scores.json"))
    arguments = parser.parse_args()
    examples = read_corpus(arguments.corpus)
    print(f"{len(examples)} utterances aligned; {FOLDS} folds by speaker")
    validate(examples)
    arguments.output.write_text(fit(examples).to_json(), encoding="utf-8")
    print(f"Fitted on all; written to {arguments.output}")


if __name__ == "__main__":
    main()
