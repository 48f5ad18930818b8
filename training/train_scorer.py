"""Train the networks that score pronunciation, and cross-validate them by speaker.

    python -m training.train_scorer FEATURES --engine kaiwa-large --output FILE
                                    [--members 3] [--epochs 16]

FEATURES is a folder of examples (`training/examples.py`), filled by `training.measure` and
`training.substitutions`; the latter's are trained on, not validated on. Speakers are divided into
five folds. For each fold, networks are trained without its speakers, and the mean of their
predictions for them is compared with the experts; they are written beside FILE as its stem +
`-fold-K.npz`, with the names of the held-out speakers. FILE contains as many networks trained on
all speakers.
"""

import argparse
import copy
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from speech.scores.model import ENGINES
from speech.scores.network import (
    Network,
    NetworkOutput,
    Standardisation,
    Standardisations,
    network_arrays,
)
from training.batches import Batch, Prepared, collate, disturbed, prepare
from training.corpus import UTTERANCE_SCORES
from training.examples import Example, read_examples, save_arrays, standardisations
from training.network import Outputs, TrainedNetwork

FOLDS = 5
MEMBERS = 3  # networks that are averaged
EPOCHS = 16
LISTENING_EPOCHS = 3  # of the encoder alone, before the others
BATCH = 16
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.03
LONGEST_STEP = 1.0  # maximum norm of a gradient
SMOOTHING = 0.05  # of the encoder's targets
# Of the loss.
FRAME_SHARE, MARK_SHARE, PHONE_SHARE, WORD_SHARE, SCORE_SHARE = 0.3, 1.0, 4.0, 2.0, 0.5
AVERAGING = 0.997  # decay per step of the running mean of the weights, which is kept
CORRUPTED = 0.5  # share of utterances that an epoch takes from a corrupted copy

Predictions = dict[tuple[str, int], NetworkOutput]  # by name and variant
Trained = TypeVar("Trained", bound=torch.nn.Module)


@dataclass(frozen=True)
class Fold:
    """A network and its predictions for held-out speakers."""

    network: Network
    held_out: tuple[str, ...]
    predictions: Predictions


def train(
    examples: Sequence[Prepared],
    held_out: Sequence[str],
    standard: Standardisations,
    *,
    hears: bool,
    seed: int,
    epochs: int = EPOCHS,
    listening_epochs: int = LISTENING_EPOCHS,
) -> Network:
    """Train one network without some speakers; it has one member, rounded as in the shipped file.

    Args:
        examples: Clean recordings and corrupted copies.
        held_out: Speakers to leave out; may be empty.
        standard: The examples' standardisations, shared by all networks.
        hears: Whether the network has the embeddings as input, or learns to do without them.
        seed: Determines all random numbers; results are reproducible on one machine.
        epochs: Each uses every utterance once, the clean recording or one of its copies.
        listening_epochs: Epochs of the encoder alone, before these.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    known = [example for example in examples if example.speaker not in held_out]
    model = _started(known, hears=hears)
    steps = _Steps(known, np.random.default_rng(seed), hears=hears)
    _stage(model, steps, listening_epochs, lambda batch: _listening_loss(model, batch))
    averaged = _stage(model, steps, epochs, lambda batch: _loss(model(batch), batch))
    if not hears:
        standard = replace(standard, embeddings=Standardisation(standard.embeddings.moments[:, :0]))
    network = Network(standard, [averaged.eval().arrays()])
    return Network.from_arrays(network_arrays(network))


def predict(network: Network, examples: Sequence[Example], speakers: Sequence[str]) -> Predictions:
    """Predict all examples of some speakers, without the frames' posteriors."""
    nothing = np.empty((0, 0), np.float32)
    return {
        (example.name, example.variant): replace(
            network.forward(example.given), frame_posteriors=nothing
        )
        for example in examples
        if example.speaker in speakers
    }


def _started(examples: Sequence[Prepared], *, hears: bool) -> TrainedNetwork:
    first = examples[0]
    model = TrainedNetwork(
        first.frames.shape[2],
        first.embeddings.shape[1],
        first.goodness.shape[1],
        len(first.utterance),
        hears=hears,
    )
    model.start_at(
        torch.cat([one.marks for one in examples]).nanmean(0),
        float(torch.cat([one.word_accuracy for one in examples]).nanmean()),
        torch.stack([one.scores for one in examples]).nanmean(0),
    )
    return model


class _Steps:
    """The batches of an epoch: every utterance once, clean or corrupted, in a new order."""

    def __init__(
        self, examples: Sequence[Prepared], chance: np.random.Generator, *, hears: bool
    ) -> None:
        self._chance, self._hears = chance, hears
        copies: dict[str, dict[int, Prepared]] = defaultdict(dict)
        for example in examples:
            copies[example.name][example.variant] = example
        self._copies = list(copies.values())

    def __len__(self) -> int:
        return -(-len(self._copies) // BATCH)

    def __iter__(self) -> Iterator[Batch]:
        chosen = [self._choose(copies) for copies in self._copies]
        order = self._chance.permutation(len(chosen))
        for start in range(0, len(chosen), BATCH):
            indices = order[start : start + BATCH]
            yield collate(
                [disturbed(chosen[index], self._chance, hears=self._hears) for index in indices]
            )

    def _choose(self, copies: dict[int, Prepared]) -> Prepared:
        corrupted = [variant for variant in copies if variant]
        if corrupted and (0 not in copies or self._chance.random() < CORRUPTED):
            return copies[int(self._chance.choice(corrupted))]
        return copies[0]


def _stage(model: Trained, steps: _Steps, epochs: int, loss: Callable[[Batch], Tensor]) -> Trained:
    """Train for one cycle of learning rates; return the running mean of the weights."""
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
        newest = max(1 - AVERAGING, 10 / (10 + step))  # discount the first steps quickly
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), model.parameters(), strict=True):
                mean.lerp_(value, newest)
    return averaged


def _listening_loss(model: TrainedNetwork, batch: Batch) -> Tensor:
    _, states, recalled = model.listen(batch)
    return _frame_loss(states, recalled, batch)


def _frame_loss(states: Tensor, recalled: Tensor | None, batch: Batch) -> Tensor:
    losses = functional.cross_entropy(
        states, batch.states, reduction="none", label_smoothing=SMOOTHING
    )
    loss = (losses * batch.state_weights).sum() / batch.state_weights.sum()
    if recalled is None:
        return loss
    inside = batch.inside[:, 0] > 0
    return loss + functional.mse_loss(recalled[inside], batch.embeddings[inside])


def _loss(outputs: Outputs, batch: Batch) -> Tensor:
    marked = ~torch.isnan(batch.marks[:, 0])
    return (
        FRAME_SHARE * _frame_loss(outputs.states, outputs.recalled, batch)
        + MARK_SHARE * functional.cross_entropy(outputs.marks[marked], batch.marks[marked])
        + PHONE_SHARE * _squared_error(outputs.phones, batch.phone_accuracy)
        + WORD_SHARE * _squared_error(outputs.words, batch.word_accuracy)
        + SCORE_SHARE * _squared_error(outputs.scores, batch.scores)
    )


def _squared_error(scores: Tensor, ratings: Tensor) -> Tensor:
    """Return the mean over what is rated."""
    rated = ~torch.isnan(ratings)
    return functional.mse_loss(scores[rated], ratings[rated])


def folds_of(examples: Sequence[Example], seed: int) -> list[tuple[str, ...]]:
    """Divide speakers into five groups."""
    speakers = np.unique([example.speaker for example in examples])
    np.random.default_rng(seed).shuffle(speakers)
    return [tuple(map(str, group)) for group in np.array_split(speakers, FOLDS)]


def train_folds(
    examples: Sequence[Example],
    more: Sequence[Example],
    *,
    hears: bool,
    seed: int,
    epochs: int,
    members: int,
    processes: int,
) -> tuple[list[Fold], Network]:
    """Train several networks for each fold, then as many on all speakers.

    Args:
        examples: Rated recordings.
        more: Examples of the same speakers that are only trained on.
        hears: As for `train`, like the rest.
        seed: Each network has another one.
        epochs: Of each network.
        members: Networks that are averaged.
        processes: Trained at once.
    """
    standard = standardisations(examples)
    groups = [*folds_of(examples, seed), ()]
    # Forked, so that all share the examples in memory.
    _SHARED[:] = [prepare(example, standard) for example in chain(examples, more)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        trained = [
            [
                pool.submit(
                    _train_member,
                    group,
                    standard,
                    hears=hears,
                    seed=seed + members * index + member,
                    epochs=epochs,
                )
                for member in range(members)
            ]
            for index, group in enumerate(groups)
        ]
        networks = [_joined([each.result() for each in group]) for group in trained]
    _SHARED.clear()
    folds = [
        Fold(network, group, predict(network, examples, group))
        for network, group in zip(networks[:-1], groups[:-1], strict=True)
    ]
    return folds, networks[-1]


_SHARED: list[Prepared] = []


def _joined(networks: Sequence[Network]) -> Network:
    return Network(networks[0].standard, [network.members[0] for network in networks])


def _train_member(
    held_out: tuple[str, ...], standard: Standardisations, *, hears: bool, seed: int, epochs: int
) -> Network:
    began = time.perf_counter()
    network = train(_SHARED, held_out, standard, hears=hears, seed=seed, epochs=epochs)
    minutes = (time.perf_counter() - began) / 60
    print(f"seed {seed}: without {len(held_out)} speakers in {minutes:.1f} min", flush=True)
    return network


def correlations(examples: Sequence[Example], predictions: Predictions) -> dict[str, float]:
    """Return Pearson correlations of predictions with experts, by kind of score."""
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
    for index, name in enumerate(UTTERANCE_SCORES):
        figures[name] = _pearson(labels[:, index], scores[:, index])
    return figures


def _pearson(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.astype(np.float64), other)[0, 1])


def of_unknown_speakers(folds: Sequence[Fold]) -> Predictions:
    """Merge the predictions of each network for its held-out speakers."""
    return {key: output for fold in folds for key, output in fold.predictions.items()}


def report(examples: Sequence[Example], folds: Sequence[Fold]) -> None:
    """Print correlations for held-out speakers: by fold on clean recordings, and by variant."""
    predictions = of_unknown_speakers(folds)
    groups = {
        f"fold {index}": [e for e in examples if e.speaker in fold.held_out and not e.variant]
        for index, fold in enumerate(folds)
    }
    for variant in sorted({example.variant for example in examples}):
        groups[f"variant {variant}"] = [e for e in examples if e.variant == variant]
    print(f"{'':12}" + "".join(f"{name:>10}" for name in ("phone", "word", *UTTERANCE_SCORES)))
    for name, group in groups.items():
        figures = correlations(group, predictions)
        print(f"{name:12}" + "".join(f"{figure:10.3f}" for figure in figures.values()))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print the validation and write the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("features", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    _, *encoders = ENGINES[arguments.engine]
    examples = list(read_examples(arguments.features))
    folds, network = train_folds(
        examples,
        list(read_examples(arguments.features / "substitutions")),
        hears=bool(encoders),
        seed=arguments.seed,
        epochs=arguments.epochs,
        members=arguments.members,
        processes=arguments.processes,
    )
    report(examples, folds)
    output: Path = arguments.output
    for index, fold in enumerate(folds):
        arrays = network_arrays(fold.network) | {"held_out": np.array(fold.held_out)}
        save_arrays(output.with_name(f"{output.stem}-fold-{index}.npz"), arrays)
    save_arrays(output, network_arrays(network))
    print(f"{output}: {len(network.members)} members, {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
