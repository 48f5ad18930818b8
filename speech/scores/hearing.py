"""What the encoder hears without being told the text, against the text.

The forced alignment finds any text in any sound. Here the text competes with what is heard most
clearly in every frame: how much likelihood it costs to hear the text's phones in order, and which
phones have to be changed to get from what is heard to the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import PHONES, STEP, NetworkInput, NetworkOutput
from speech.text.phones import ALIKE
from speech.text.phones import PHONES as PHONE_NAMES

Array = NDArray[np.floating[Any]]
Phones = NDArray[np.int64]

SILENCE: Final = PHONES
_LEAST: Final = 1e-4  # posterior
_IMPOSSIBLE: Final = -1e9
_SHORTEST: Final = 2  # steps of a phone that counts as heard
_SOUND_ALIKE: Final = np.array(
    [
        [any({one, other} <= group for group in ALIKE) for other in PHONE_NAMES]
        for one in PHONE_NAMES
    ]
)

NAMES: Final = (
    "aligned_loss_by_phone", "aligned_loss_by_step", "text_loss_by_step", "text_loss_by_phone",
    "heard_count", "inserted", "left_out", "replaced_alike", "replaced_otherwise", "words_whole",
    "words_lost",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edits:
    """The fewest edits that turn the phones heard into the expected ones (Levenshtein 1966).

    Attributes:
        is_heard: For each expected phone, whether it was among those heard, in its place.
        replacements: Shape (n, 2): expected phone and the one heard in its place.
        inserted: Number of phones heard in addition.
    """

    is_heard: NDArray[np.bool_]
    replacements: Phones
    inserted: int


def free_evidence(given: NetworkInput, output: NetworkOutput) -> Array:
    """Compare what is heard with the text, shape (len(`NAMES`),); losses in nats."""
    steps = log_steps(output.frame_posteriors)
    count = len(given.phones)
    expected = np.full(len(given.frames), SILENCE)
    for phone, (start, end) in zip(given.phones, given.segments, strict=True):
        expected[start:end] = phone
    expected = expected[::STEP]
    best = steps.max(axis=1)
    losses = best - steps[np.arange(len(steps)), expected]
    text_loss = float(best.sum()) - text_likelihood(steps, given)
    spoken = 1 + np.count_nonzero(steps.argmax(axis=1) != SILENCE)
    heard = heard_phones(steps)
    found = edits(heard, given.phones)
    alike = int(_SOUND_ALIKE[tuple(found.replacements.T)].sum())
    replaced = len(found.replacements)
    starts = np.flatnonzero(np.diff(given.words, prepend=-1))
    by_word = np.add.reduceat(found.is_heard.astype(float), starts)
    lengths = np.diff(np.append(starts, count))
    return np.array(
        [
            losses.sum() / count,
            losses[expected != SILENCE].mean(),
            text_loss / spoken,
            text_loss / count,
            np.log((len(heard) + 1) / (count + 1)),
            found.inserted / count,
            (count - found.is_heard.sum() - replaced) / count,
            alike / count,
            (replaced - alike) / count,
            (by_word == lengths).mean(),
            (by_word == 0).mean(),
        ],
        np.float32,
    )


def log_steps(frame_posteriors: Array) -> Array:
    """Return log posteriors of the encoder's steps, shape (steps, 40)."""
    return np.asarray(np.log(np.maximum(frame_posteriors[::STEP], _LEAST)))


def heard_phones(steps: Array) -> Phones:
    """Return the phones that are likeliest for two steps or more, in order."""
    best = steps.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    lengths = np.diff(np.append(starts, len(best)))
    heard = best[starts][(lengths >= _SHORTEST) & (best[starts] != SILENCE)]
    return np.asarray(heard[np.diff(heard, prepend=-1) != 0])


def text_likelihood(steps: Array, given: NetworkInput) -> float:
    """Return the log likelihood of the text's phones in order, with silence between words.

    Viterbi over the encoder's steps; boundaries of the forced alignment are not used.
    """
    is_first = np.diff(given.words, prepend=-1) != 0
    states = np.insert(given.phones, np.flatnonzero(is_first), SILENCE)
    states = np.append(states, SILENCE)
    is_silence = states == SILENCE
    emitted = steps[:, states]
    scores = np.full(len(states), _IMPOSSIBLE)
    scores[:2] = emitted[0, :2]
    # Silence may be skipped: only phones that follow one are reached from two states before.
    skips = np.flatnonzero(is_silence[:-1]) + 1
    skips = skips[skips > 1]
    for now in emitted[1:]:
        before = scores.copy()
        np.maximum(scores[1:], before[:-1], out=scores[1:])
        scores[skips] = np.maximum(scores[skips], before[skips - 2])
        scores += now
    return float(scores[-2:].max())


def edits(heard: Sequence[int] | Phones, expected: Phones) -> Edits:
    """Align the phones heard with the expected ones."""
    heard = np.asarray(heard, np.int64)
    places = np.arange(len(expected) + 1)
    costs = np.empty((len(heard) + 1, len(places)))
    costs[0] = places
    for row, phone in enumerate(heard, start=1):
        costs[row, 0] = row
        kept = costs[row - 1, :-1] + (expected != phone)
        costs[row, 1:] = np.minimum(kept, costs[row - 1, 1:] + 1)
        costs[row] = np.minimum.accumulate(costs[row] - places) + places
    return _traced(costs, heard, expected)


def _traced(costs: Array, heard: Phones, expected: Phones) -> Edits:
    is_heard = np.zeros(len(expected), bool)
    replacements: list[tuple[int, int]] = []
    inserted, row, place = 0, len(heard), len(expected)
    while row or place:
        if row and place:
            one, other = int(expected[place - 1]), int(heard[row - 1])
            if costs[row, place] == costs[row - 1, place - 1] + (one != other):
                row, place = row - 1, place - 1
                is_heard[place] = one == other
                replacements += [(one, other)] * (one != other)
                continue
        if row and costs[row, place] == costs[row - 1, place] + 1:
            row, inserted = row - 1, inserted + 1
        else:
            place -= 1
    return Edits(is_heard, np.array(replacements, np.int64).reshape(-1, 2), inserted)
