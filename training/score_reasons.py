"""Fit what a score loses through each measure, for `speech/feedback/reasons.py`.

    python -m training.score_reasons CORPUS [--sample N]

A linear regression of the engine's own accuracy and fluency on a few measures that learners
understand. Prints the slopes, the measures of the best recordings, and the correlation with the
scores of speakers who were left out of the fit.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from speech import engine
from speech.errors import SpeechError
from speech.feedback.reasons import MEASURES
from training.corpus import Utterance, read_corpus

SCORES = ("accuracy", "fluency")
LEAST = 55.0  # below, the weakest recordings would bend the line
BEST = 87.0
FOLDS = 5

Row = tuple[str, dict[str, float]]


def _measured(utterance: Utterance) -> Row | None:
    try:
        analysis = engine.analyze(utterance.waveform(), utterance.text, "en")
    except SpeechError:
        return None
    sounds = float(np.mean([phone.accuracy_score for phone in analysis.phoneme_analysis]))
    return utterance.speaker, analysis.raw_features | {"sounds": sounds}


def _report(rows: Sequence[Row]) -> None:
    measured = np.array([[row[name] for name in MEASURES] for _, row in rows])
    scores = np.array([[row[name] for name in SCORES] for _, row in rows])
    best = scores.min(axis=1) >= BEST
    print("best", dict(zip(MEASURES, np.median(measured[best], axis=0).round(2), strict=True)))
    terms = np.column_stack([measured, np.ones(len(rows))])
    used = scores[:, 0] > LEAST
    speakers = sorted({speaker for speaker, _ in rows})
    fold = np.array([speakers.index(speaker) % FOLDS for speaker, _ in rows])
    for name, score in zip(SCORES, scores.T, strict=True):
        unseen = np.empty(len(rows))
        for one in range(FOLDS):
            kept = used & (fold != one)
            unseen[fold == one] = terms[fold == one] @ np.linalg.lstsq(terms[kept], score[kept])[0]
        slopes = np.linalg.lstsq(terms[used], score[used])[0][:-1]
        print(name, dict(zip(MEASURES, slopes.round(2), strict=True)))
        print(f"  correlation, unseen speakers: {np.corrcoef(unseen[used], score[used])[0, 1]:.3f}")


def main(argv: Sequence[str] | None = None) -> None:
    """Analyse, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sample", type=int)
    arguments = parser.parse_args(argv)
    with ProcessPoolExecutor() as pool:
        found = pool.map(_measured, read_corpus(arguments.corpus, arguments.sample), chunksize=10)
        _report([row for row in found if row])


if __name__ == "__main__":
    main()
