"""Decide which mistakes are sure enough to be named.

A mistake that is named but was none does more harm than one that is passed over. Each kind has
limits, fitted so that three of four named mistakes are real ones on speakers whom the networks did
not hear in training (`training/mistakes.py`); they are part of the model. A kind for which no limit
suffices is never named.

What was said instead of a phone is read from the encoder's posteriors on its frames. A phone that
was left out has no frames of its own: its neighbours, or silence, are recognised there.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import LEAST, TO_TEN, NetworkInput, NetworkOutput
from speech.text.phones import PHONES, VOWELS

Array = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

NOTHING: Final = len(PHONES)
OMISSION_NAMES: Final = ("heard_mean", "heard_best", "log_frames", "score", "heard_by_all")

HARDLY_HEARD: Final = 0.1
_KINDS: Final = np.array([*(phone in VOWELS for phone in PHONES), -1])  # the last is silence


@dataclass(frozen=True, slots=True)
class MistakeLimits:
    """When each kind of mistake is named; infinite limits name none.

    Attributes:
        faulty: A phone with a lower score, 0-2, counts as mispronounced in statistics; where F1 is
            highest, so too many for feedback. Shape ().
        substituted: Another phone is named if the expected one is wrong with at least the first
            probability (the last of the network's `marks`) and the other has at least the second
            as its share of the posterior. Shape (2,).
        deleted: Likewise, with the share of silence and of the neighbouring phones.
        omitted: Weights of `OMISSION_NAMES` and an intercept: a word was left out if their sum is
            above 0. Shape (6,).
        inserted: Frames of speech between two words from which on something was said there that is
            not in the text. Shape ().
    """

    faulty: Array
    substituted: Array
    deleted: Array
    omitted: Array
    inserted: Array

    def __post_init__(self) -> None:
        """Validate shapes.

        Raises:
            ValueError: If one is wrong.
        """
        shapes = [array.shape for array in (
            self.faulty, self.substituted, self.deleted, self.omitted, self.inserted
        )]  # fmt: skip
        if shapes != [(), (2,), (2,), (len(OMISSION_NAMES) + 1,), ()]:
            message = f"limits of mistakes have the shapes {shapes}"
            raise ValueError(message)

    def realised(self, given: NetworkInput, output: NetworkOutput) -> list[str | None]:
        """Return, for each phone, the one surely said in its place, "" if none; else None."""
        found, wrong = realisations(given, output), output.marks[:, -1]
        is_hardly_heard = found.own <= HARDLY_HEARD
        is_other = found.other_share > found.nothing_share
        is_substituted = (
            is_hardly_heard & is_other & is_sure(self.substituted, wrong, found.other_share)
        )
        is_deleted = is_hardly_heard & ~is_other & is_sure(self.deleted, wrong, found.nothing_share)
        return [
            PHONES[other] if substituted else "" if deleted else None
            for other, substituted, deleted in zip(
                found.other.tolist(), is_substituted.tolist(), is_deleted.tolist(), strict=True
            )
        ]

    def is_omitted(self, given: NetworkInput, output: NetworkOutput) -> list[bool]:
        """Return, for each word, whether it was surely left out."""
        scores = omission_evidence(given, output) @ self.omitted[:-1] + self.omitted[-1]
        omitted: list[bool] = (scores > 0).tolist()
        return omitted

    def follows_insertion(self, given: NetworkInput, output: NetworkOutput) -> list[bool]:
        """Return, for each word, whether something else was surely said right before it."""
        is_insertion: list[bool] = (speech_between(given, output) >= self.inserted).tolist()
        return [False, *is_insertion]


@dataclass(frozen=True, slots=True)
class Realisations:
    """What the encoder recognises where each of P phones was expected.

    Attributes:
        own: Posterior of the expected phone.
        other: The likeliest phone that learners may say instead of it, as an index.
        other_share: Its posterior.
        nothing_share: Posterior of silence and of the phones beside it together.
    """

    own: Array
    other: NDArray[np.int64]
    other_share: Array
    nothing_share: Array


def realisations(given: NetworkInput, output: NetworkOutput) -> Realisations:
    """Read the posteriors of each phone's frames.

    Vowels are said for vowels and consonants for consonants. What sounds like a neighbour is taken
    for the neighbour, whose boundary is misplaced, not for another phone.
    """
    expected, posteriors, own = given.phones, output.posteriors, own_posteriors(given, output)
    rows = np.arange(len(expected))
    beside = np.zeros(posteriors.shape, bool)
    beside[rows[1:], expected[:-1]] = True
    beside[rows[:-1], expected[1:]] = True
    beside[rows, expected] = False
    is_possible = (_KINDS[expected][:, None] == _KINDS) & ~beside
    is_possible[rows, expected] = False
    others = np.where(is_possible, posteriors, 0.0)
    beside[:, NOTHING] = True
    return Realisations(
        own=own,
        other=others.argmax(axis=1),
        other_share=others.max(axis=1),
        nothing_share=np.where(beside, posteriors, 0.0).sum(axis=1),
    )


def omission_evidence(given: NetworkInput, output: NetworkOutput) -> Array:
    """Gather the evidence for each word that it was left out, shape (W, len(OMISSION_NAMES))."""
    heard = np.log(np.maximum(own_posteriors(given, output), LEAST))
    starts = _word_starts(given)
    frames = given.segments[:, 1] - given.segments[:, 0]
    return np.column_stack(
        [
            word_means(given, heard),
            np.maximum.reduceat(heard, starts),
            np.log(word_means(given, frames)),
            output.words / TO_TEN,
            np.full(len(starts), heard.mean()),
        ]
    )


def speech_between(given: NetworkInput, output: NetworkOutput) -> Array:
    """Return the frames of speech, rather than silence, between any two words, shape (W - 1,)."""
    starts = np.flatnonzero(np.diff(given.words)) + 1
    speech = np.concatenate([[0.0], np.cumsum(1 - output.frame_posteriors[:, NOTHING])])
    between: Array = speech[given.segments[starts, 0]] - speech[given.segments[starts - 1, 1]]
    return between


def is_sure(limits: Array, wrong: Array, shares: Array) -> Flags:
    """Return whether both reach their limits: how probably phones are wrong, and the shares."""
    return np.asarray((wrong >= limits[0]) & (shares >= limits[1]))


def own_posteriors(given: NetworkInput, output: NetworkOutput) -> Array:
    """Return the posterior of each expected phone, shape (P,)."""
    own: Array = output.posteriors[np.arange(len(given.phones)), given.phones]
    return own


def word_means(given: NetworkInput, values: NDArray[Any]) -> Array:
    """Average values of phones over each word, shape (W,)."""
    starts = _word_starts(given)
    means: Array = np.add.reduceat(values, starts) / np.diff(starts, append=len(given.words))
    return means


def _word_starts(given: NetworkInput) -> NDArray[np.intp]:
    return np.flatnonzero(np.diff(given.words, prepend=-1))
