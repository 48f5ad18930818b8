"""Fit all but the network to its outputs, and write the shipped model.

    python -m training.calibrate FEATURES NETWORK --output speech/models/en.npz

FEATURES is the folder filled by `training.measure`, `training.mismatches` and `training.miscues`;
NETWORK and the networks of its folds beside it come from `training.train_scorer`. The gate, the
confidence of words, the correction of phones, the intervals of scores and the limits beyond which
mistakes are named are fitted on each fold's predictions for its held-out speakers: once on all
speakers, for the shipped model, and once per fold without its speakers. The latter models go into
the subfolder `folds` beside NETWORK, for validation: `benchmarks/pronunciation.py --folds` scores
every speaker by a model that was fitted without that speaker.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.scores.model import ScoringModel
from speech.scores.network import Network
from speech.scores.scoring import WELL_SAID
from training.examples import read_examples, save_arrays
from training.gate import fit_gate, validate_gate
from training.held_out import (
    HeldOutPredictions,
    fold_paths,
    predictions_of_folds,
    speakers_held_out,
    without,
)
from training.intervals import fit_intervals, validate_intervals
from training.measure import Norms, read_norms
from training.miscues import FOLDER, read_miscues
from training.mistake_cases import AllCases, cases_of_folds
from training.mistakes import proven_limits, validate_mistakes
from training.stacking import fit_stacking, validate_stacking

CONFIDENCE_STEPS = 60


def fit_confidence(predictions: HeldOutPredictions) -> NDArray[np.float32]:
    """Fit the share of well said words by predicted score: shape (2, n), scores and shares.

    Means over equally many words, made ascending by pooling (isotonic regression, Ayer et al.
    1955).
    """
    order = np.argsort(predictions.words, kind="stable")
    pools: list[tuple[float, float, int]] = []  # sums of scores and of well said words, count
    for part in np.array_split(order, CONFIDENCE_STEPS):
        pool = (
            float(predictions.words[part].sum()),
            float((predictions.ratings[part] >= WELL_SAID).sum()),
            len(part),
        )
        while pools and pools[-1][1] / pools[-1][2] >= pool[1] / pool[2]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    steps = np.array(pools).T
    return np.asarray(steps[:2] / steps[2], np.float32)


def fitted(
    network: Network,
    norms: Norms,
    right: HeldOutPredictions,
    wrong: HeldOutPredictions,
    cases: AllCases,
) -> ScoringModel:
    """Fit everything else for a network, and combine it with the network."""
    stacking = fit_stacking(right.phones)
    return ScoringModel(
        network,
        stacking,
        norms,
        fit_gate(right, wrong),
        fit_confidence(right),
        fit_intervals(right, stacking),
        proven_limits(cases),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args(argv)
    # Read anew each time: all examples together take ten gigabytes.
    right = predictions_of_folds(read_examples(arguments.features), arguments.network)
    wrong = predictions_of_folds(
        read_examples(arguments.features / "mismatches"), arguments.network
    )
    cases = cases_of_folds(
        read_examples(arguments.features),
        read_miscues(arguments.features / FOLDER),
        arguments.network,
        right,
    )
    validate_gate(right, wrong)
    validate_stacking(right.phones)
    validate_intervals(right)
    validate_mistakes(cases)
    norms = read_norms(arguments.features)
    folds = arguments.network.parent / "folds"
    folds.mkdir(exist_ok=True)
    for fold, path in enumerate(fold_paths(arguments.network)):
        model = fitted(
            Network.from_file(path), norms, without(right, fold), without(wrong, fold),
            cases.without(fold),
        )  # fmt: skip
        held_out = np.array(sorted(speakers_held_out(path)))
        save_arrays(folds / f"{fold}.npz", model.arrays() | {"held_out": held_out})
    model = fitted(Network.from_file(arguments.network), norms, right, wrong, cases)
    save_arrays(arguments.output, model.arrays())
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
