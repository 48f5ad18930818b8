"""Measure precision and amount of feedback at different limits.

    python -m training.feedback_limits FEATURES FOLDS

FEATURES is the folder filled by `training.measure`, FOLDS that of the models which
`training.calibrate` wrote: each scores the clean recordings of its held-out speakers. A phone
counts as faulty below 1.5 of the experts' 2 points, a word below 8 of 10. The chosen limits are in
`speech/feedback/thresholds.py`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.feedback.thresholds import SEVERITIES
from speech.scores.model import ScoringModel
from speech.scores.scoring import WELL_SAID
from training.examples import Example, read_examples
from training.held_out import speakers_held_out
from training.mistake_cases import FAULTY

Array = NDArray[np.float32]


def judged(examples: Sequence[Example], folds: Path) -> tuple[Array, Array]:
    """Score phones and words of clean recordings of held-out speakers.

    Returns:
        For each rated phone: its score 0-100, the experts' 0-2, and the confidence of its word,
        shape (phones, 3). For each word: its confidence 0-1 and the experts' score 0-10, shape
        (words, 2).
    """
    phones, words = [], []
    for path in sorted(folds.glob("*.npz")):
        held_out = speakers_held_out(path)
        model = ScoringModel.from_file(path)
        for example in examples:
            if example.speaker not in held_out:
                continue
            output = model.predict(example.given)
            confidence = np.interp(output.words, *model.confidence)
            of_word = confidence[example.given.words]
            judged_phones = np.column_stack([50 * output.phones, example.phone_accuracy, of_word])
            phones.append(judged_phones[~np.isnan(example.phone_accuracy)])
            words.append(np.column_stack([confidence, example.word_accuracy]))
    return np.concatenate(phones), np.concatenate(words)


def _tell(name: str, flagged: NDArray[np.bool_], faulty: NDArray[np.bool_]) -> None:
    if flagged.any():
        print(
            f"{name:44} {100 * flagged.mean():5.2f} % flagged, "
            f"{100 * faulty[flagged].mean():3.0f} % of them rightly, "
            f"{100 * flagged[faulty].mean():3.0f} % of the faulty found"
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("folds", type=Path)
    arguments = parser.parse_args(argv)
    clean = [one for one in read_examples(arguments.features) if not one.variant]
    phones, words = judged(clean, arguments.folds)
    score, rating, of_word = phones.T
    faulty = rating < FAULTY
    print(f"{100 * faulty.mean():.1f} % of {len(phones)} phones are faulty")
    named, _ = SEVERITIES[-1]
    for limit in range(30, 85, 5):
        _tell(f"phone below {limit}", score < limit, faulty)
    for limit in range(30, 85, 5):
        _tell(
            f"phone below {limit} in a word that is named",
            (score < limit) & (of_word < named),
            faulty,
        )
    bad = words[:, 1] < WELL_SAID
    print(f"{100 * bad.mean():.1f} % of {len(words)} words are faulty")
    for confidence in np.arange(0.1, 0.65, 0.05).tolist():
        _tell(f"word of confidence below {confidence:.2f}", words[:, 0] < confidence, bad)


if __name__ == "__main__":
    main()
