"""Train the network that scores pronunciation, and tell what it is worth for unknown speakers.

    python -m training.train_scorer FEATURES --output FILE [--epochs 20] [--distill]

FEATURES is a folder of examples (`training/examples.py`). Speakers are dealt into five folds; five
networks are trained, each without one fold, and what each predicts for the speakers that it never
saw is compared with the experts. Then the members written are either those five, or with
`--distill` one network that learnt from all speakers, from labels mixed with the predictions of
the network that did not know the speaker.

Beside FILE come FILE's stem + `-fold-K.npz`, each network alone with the speakers held out from
it, and `-predictions.npz`, the predictions for unknown speakers.
"""

import argparse
import copy
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from speech.scores.network import (
    TO_TEN,
    Network,
    NetworkOutput,
    Standardisations,
    network_arrays,
)
from training.batches import Batch, Prepared, collate, disturbed, prepare
from training.examples import Example, read_examples, standardisations
from training.network import Outputs, TrainedNetwork

FOLDS = 5
EPOCHS = 20
LISTENING_EPOCHS = 4  # of the encoder alone, first
BATCH = 16
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.03
LONGEST_STEP = 1.0  # norm of a gradient
SMOOTHING = 0.05  # of the encoder's targets
FRAME_SHARE, PHONE_SHARE, WORD_SHARE, SCORE_SHARE = 0.3, 4.0, 2.0, 0.5  # of the loss
AVERAGING = 0.997  # a step; the network kept is the running mean of those passed through
CORRUPTED = 0.5  # share of utterances that an epoch takes from a corrupted copy
TEACHERS_SHARE = 0.5  # of a distilled network's labels
SCORES = ("accuracy", "fluency", "prosodic", "total")

Predictions = dict[tuple[str, int], NetworkOutput]  # by name and variant
Trained = TypeVar("Trained", bound=torch.nn.Module)


@dataclass(frozen=True)
class Fold:
    """A network and what it predicts for speakers that it never saw."""

    network: Network
    held_out: tuple[str, ...]
    predictions: Predictions


def train(
    examples: Sequence[Example],
    held_out: Sequence[str],
    standard: Standardisations,
    *,
    seed: int,
    epochs: int = EPOCHS,
    listening_epochs: int = LISTENING_EPOCHS,
) -> Fold:
    """Train one network without some speakers, and predict these as at run time.

    Args:
        examples: Clean ones and corrupted copies.
        held_out: Speakers who are predicted only; may be empty.
        standard: Shared by all networks.
        seed: Decides everything that is drawn, on one machine.
        epochs: Each takes every utterance once, the clean recording or one of its copies.
        listening_epochs: Of the encoder alone, before these.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    known = [example for example in examples if example.speaker not in held_out]
    model = _started(known)
    steps = _Steps(known, standard, np.random.default_rng(seed))
    _stage(model.encoder, steps, listening_epochs, lambda batch: _listening_loss(model, batch))
    averaged = _stage(model, steps, epochs, lambda batch: _loss(model(batch), batch))
    member = Network(standard, [averaged.eval().arrays()])
    # As it will be shipped: rounded to eight bits.
    network = Network.from_arrays(network_arrays(member))
    return Fold(network, tuple(held_out), predict(network, examples, held_out))


def predict(network: Network, examples: Sequence[Example], speakers: Sequence[str]) -> Predictions:
    """Predict all examples of some speakers; the frames' posteriors are left out."""
    nothing = np.empty((0, 0), np.float32)
    return {
        (example.name, example.variant): replace(
            network.forward(example.given), frame_posteriors=nothing
        )
        for example in examples
        if example.speaker in speakers
    }


def _started(examples: Sequence[Example]) -> TrainedNetwork:
    given = examples[0].given
    model = TrainedNetwork(given.frames.shape[1], given.goodness.shape[1], len(given.utterance))
    model.start_at(
        float(np.nanmean(np.concatenate([e.phone_accuracy for e in examples]))),
        float(np.mean(np.concatenate([e.word_accuracy for e in examples]))) / TO_TEN,
        torch.from_numpy(np.mean([e.utterance for e in examples], axis=0) / TO_TEN).float(),
    )
    return model


class _Steps:
    """The batches of an epoch: every utterance once, clean or corrupted, in a new order."""

    def __init__(
        self, examples: Sequence[Example], standard: Standardisations, chance: np.random.Generator
    ) -> None:
        self._chance = chance
        copies: dict[str, dict[int, Prepared]] = defaultdict(dict)
        for example in examples:
            copies[example.name][example.variant] = prepare(example, standard)
        self._copies = list(copies.values())

    def __len__(self) -> int:
        return -(-len(self._copies) // BATCH)

    def __iter__(self) -> Iterator[Batch]:
        chosen = [self._choose(copies) for copies in self._copies]
        order = self._chance.permutation(len(chosen))
        for start in range(0, len(chosen), BATCH):
            indices = order[start : start + BATCH]
            yield collate([disturbed(chosen[index], self._chance) for index in indices])

    def _choose(self, copies: dict[int, Prepared]) -> Prepared:
        corrupted = [variant for variant in copies if variant]
        if corrupted and (0 not in copies or self._chance.random() < CORRUPTED):
            return copies[int(self._chance.choice(corrupted))]
        return copies[0]


def _stage(model: Trained, steps: _Steps, epochs: int, loss: Callable[[Batch], Tensor]) -> Trained:
    """One cycle of learning rates; returns the running mean of the weights."""
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=epochs * len(steps), pct_start=0.2
    )
    averaged = copy.deepcopy(model)
    model.train()
    for step, batch in enumerate(batch for _ in range(epochs) for batch in steps):
        optimiser.zero_grad()
        loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_STEP)
        optimiser.step()
        schedule.step()
        newest = max(1 - AVERAGING, 10 / (10 + step))  # the first steps are soon forgotten
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
                mean.lerp_(value, newest)
    return averaged


def _listening_loss(model: TrainedNetwork, batch: Batch) -> Tensor:
    return _frame_loss(model.encoder(batch.frames, batch.inside)[1], batch)


def _frame_loss(states: Tensor, batch: Batch) -> Tensor:
    losses = functional.cross_entropy(
        states, batch.states, reduction="none", label_smoothing=SMOOTHING
    )
    return (losses * batch.state_weights).sum() / batch.state_weights.sum()


def _loss(outputs: Outputs, batch: Batch) -> Tensor:
    rated = ~torch.isnan(batch.phone_accuracy)
    return (
        FRAME_SHARE * _frame_loss(outputs.states, batch)
        + PHONE_SHARE * functional.mse_loss(outputs.phones[rated], batch.phone_accuracy[rated])
        + WORD_SHARE * functional.mse_loss(outputs.words, batch.word_accuracy)
        + SCORE_SHARE * functional.mse_loss(outputs.scores, batch.scores)
    )


def folds_of(examples: Sequence[Example], seed: int) -> list[tuple[str, ...]]:
    """Deal speakers into five groups."""
    speakers = np.unique([example.speaker for example in examples])
    np.random.default_rng(seed).shuffle(speakers)
    return [tuple(map(str, group)) for group in np.array_split(speakers, FOLDS)]


def train_folds(
    examples: Sequence[Example], *, seed: int, epochs: int, processes: int
) -> list[Fold]:
    """Train five networks, several at a time."""
    standard = standardisations(examples)
    groups = folds_of(examples, seed)
    _SHARED[:] = examples
    # Forked, so that all read the same examples in memory.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        trained = [
            pool.submit(_train_fold, group, standard, seed + index, epochs)
            for index, group in enumerate(groups)
        ]
        return [each.result() for each in trained]


_SHARED: list[Example] = []


def _train_fold(
    held_out: tuple[str, ...], standard: Standardisations, seed: int, epochs: int
) -> Fold:
    began = time.perf_counter()
    fold = train(_SHARED, held_out, standard, seed=seed, epochs=epochs)
    minutes = (time.perf_counter() - began) / 60
    clean = [each for each in _SHARED if each.speaker in held_out and not each.variant]
    figures = ", ".join(
        f"{name} {figure:.3f}" for name, figure in correlations(clean, fold.predictions).items()
    )
    print(f"without {len(held_out)} speakers in {minutes:.1f} min: {figures}", flush=True)
    return fold


def distilled(examples: Sequence[Example], taught: Predictions) -> list[Example]:
    """Examples labelled half by experts and half by the network that did not know the speaker.

    Copies get the prediction for the clean recording, and phones that nobody rated the
    network's alone.
    """

    def mixed(label: NDArray[np.float32], prediction: NDArray[np.float32]) -> NDArray[np.float32]:
        label = np.where(np.isnan(label), prediction, label)
        return (label + TEACHERS_SHARE * (prediction - label)).astype(np.float32)

    relabelled = []
    for example in examples:
        output = taught.get((example.name, 0), taught[example.name, example.variant])
        relabelled.append(
            replace(
                example,
                phone_accuracy=mixed(example.phone_accuracy, output.phones),
                word_accuracy=mixed(example.word_accuracy, output.words),
                utterance=mixed(example.utterance, output.utterance),
            )
        )
    return relabelled


def correlations(examples: Sequence[Example], predictions: Predictions) -> dict[str, float]:
    """Pearson correlations of predictions with experts, by kind of score."""
    pairs = [(e, predictions[e.name, e.variant]) for e in examples]
    rated = np.concatenate([e.phone_accuracy for e, _ in pairs])
    phones = np.concatenate([output.phones for _, output in pairs])
    known = ~np.isnan(rated)
    figures = {
        "phone": _pearson(rated[known], phones[known]),
        "word": _pearson(
            np.concatenate([e.word_accuracy for e, _ in pairs]),
            np.concatenate([output.words for _, output in pairs]),
        ),
    }
    labels = np.stack([e.utterance for e, _ in pairs])
    scores = np.stack([output.utterance for _, output in pairs])
    for index, name in enumerate(SCORES):
        figures[name] = _pearson(labels[:, index], scores[:, index])
    return figures


def _pearson(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.astype(np.float64), other)[0, 1])


def of_unknown_speakers(folds: Sequence[Fold]) -> Predictions:
    """Gather what each network predicted for the speakers that it never saw."""
    return {key: output for fold in folds for key, output in fold.predictions.items()}


def report(examples: Sequence[Example], folds: Sequence[Fold]) -> None:
    """Print correlations for unknown speakers: by fold on clean recordings, and by variant."""
    predictions = of_unknown_speakers(folds)
    groups = {
        f"fold {index}": [e for e in examples if e.speaker in fold.held_out and not e.variant]
        for index, fold in enumerate(folds)
    }
    for variant in sorted({example.variant for example in examples}):
        groups[f"variant {variant}"] = [e for e in examples if e.variant == variant]
    print(f"{'':12}" + "".join(f"{name:>10}" for name in ("phone", "word", *SCORES)))
    for name, group in groups.items():
        figures = correlations(group, predictions)
        print(f"{name:12}" + "".join(f"{figure:10.3f}" for figure in figures.values()))


def save_predictions(path: Path, examples: Sequence[Example], predictions: Predictions) -> None:
    """Write predictions in the order of the examples."""
    outputs = [predictions[example.name, example.variant] for example in examples]
    np.savez(
        path,
        name=np.array([example.name for example in examples]),
        variant=np.array([example.variant for example in examples]),
        phone_counts=np.array([len(output.phones) for output in outputs]),
        word_counts=np.array([len(output.words) for output in outputs]),
        phones=np.concatenate([output.phones for output in outputs]),
        words=np.concatenate([output.words for output in outputs]),
        utterance=np.stack([output.utterance for output in outputs]),
        posteriors=np.concatenate([output.posteriors for output in outputs]).astype(np.float16),
    )


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.npz` from names that are no words of Python."""
    np.savez_compressed(path, allow_pickle=False, **arrays)


def main() -> None:
    """Train, print the validation and write the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("features", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--distill", action="store_true")
    arguments = parser.parse_args()
    examples = read_examples(arguments.features)
    folds = train_folds(
        examples, seed=arguments.seed, epochs=arguments.epochs, processes=arguments.processes
    )
    report(examples, folds)
    unknown = of_unknown_speakers(folds)
    output: Path = arguments.output
    beside = output.with_suffix("")
    save_predictions(beside.with_name(f"{beside.name}-predictions.npz"), examples, unknown)
    for index, fold in enumerate(folds):
        arrays = network_arrays(fold.network) | {"held_out": np.array(fold.held_out)}
        save_arrays(beside.with_name(f"{beside.name}-fold-{index}.npz"), arrays)
    if arguments.distill:
        standard = folds[0].network.standard
        labelled = distilled(examples, unknown)
        shipped = train(labelled, (), standard, seed=arguments.seed, epochs=arguments.epochs)
        network = shipped.network
    else:
        members = [member for fold in folds for member in fold.network.members]
        network = Network(folds[0].network.standard, members)
    save_arrays(output, network_arrays(network))
    print(f"{output}: {len(network.members)} members, {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
