"""Random predictions of networks for examples."""

import numpy as np

from speech.scores.gate import NAMES
from speech.scores.stacking import TERMS
from training.held_out import HeldOutPredictions
from training.stacking import HeldOutPhones


def held_out(count, *, shift=0.0, seed=0):
    """Draw examples of three words in five folds, clean and through one channel."""
    chance = np.random.default_rng(seed)
    ratings = chance.uniform(0, 10, 3 * count)
    words = np.clip(ratings + chance.normal(0, 1, 3 * count), 0, 10)
    fold = np.arange(count) % 5
    return HeldOutPredictions(
        fold=fold,
        variant=np.arange(count) // 5 % 2,
        speaker=np.array([f"{number:04}" for number in np.arange(count) // 10 * 5 + fold]),
        evidence=chance.normal(shift, 1, (count, len(NAMES))).astype(np.float32),
        utterances=words.reshape(-1, 3)[:, [0, 1, 2, 0]].astype(np.float32),
        labels=ratings.reshape(-1, 3)[:, [0, 1, 2, 0]].astype(np.float32),
        word_counts=np.full(count, 3),
        words=words.astype(np.float32),
        ratings=ratings.astype(np.float32),
        word_fold=np.repeat(fold, 3),
        phones=HeldOutPhones(
            np.ones((count, len(TERMS))),
            np.zeros(count, int),
            np.ones(count),
            fold.astype(str),
            fold,
        ),
    )
