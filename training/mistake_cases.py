"""Gather the places where a mistake may be named, and whether that would be right.

Whether a phone was faulty, the experts' ratings tell. What was said instead they do not; that is
known of miscues (`training/miscues.py`), as are words that were left out or added.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from speech.scores.mistakes import (
    HARDLY_HEARD,
    NOTHING,
    omission_evidence,
    realisations,
    speech_between,
)
from speech.scores.network import NetworkOutput
from training.examples import Example
from training.held_out import HeldOutPredictions, judges, without
from training.miscues import KINDS, Miscue
from training.stacking import fit_stacking

Array = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

MISPRONOUNCED: Final = 0.5  # of 2: the corpus counts lower phones as wrong
FAULTY: Final = 1.5  # of 2: at least two of five experts find fault
DELETIONS: Final = 0.25  # taken to be so many times as frequent as substitutions
UNHEARD_WORD: Final = 4.0  # of 10: a word that is rated lower may have been left out
FLUENT: Final = 8.0  # of 10: who is rated lower may have said more than the text


@dataclass(frozen=True)
class Cases:
    """n places where a mistake may be named, of speakers whom the network did not hear.

    Attributes:
        evidence: Shape (n, names).
        right: Whether naming it is right, shape (n,).
        weight: How often such a place occurs, shape (n,).
        fold: Fold of the network, shape (n,).
    """

    evidence: Array
    right: Flags
    weight: Array
    fold: NDArray[np.int64]

    def of(self, kept: Flags) -> Self:
        """Return a selection."""
        return type(self)(self.evidence[kept], self.right[kept], self.weight[kept], self.fold[kept])


@dataclass(frozen=True)
class AllCases:
    """Cases of every kind.

    Attributes:
        phones: Rated phones. Evidence: score 0-2; right: mispronounced.
        substituted: Rated phones where another was recognised. Evidence: probability of being
            wrong, share; right: faulty.
        deleted: Rated phones where nothing was recognised; likewise.
        named: Miscues where another phone was recognised. Evidence: share; right: it was said.
        named_deleted: Miscues where nothing was recognised; right: nothing was said.
        omitted: Words. Evidence: of their omission; right: left out.
        inserted: Places between words. Evidence: frames of speech; right: a word was said there.
    """

    phones: Cases
    substituted: Cases
    deleted: Cases
    named: Cases
    named_deleted: Cases
    omitted: Cases
    inserted: Cases

    def without(self, fold: int) -> Self:
        """Return the cases of the other folds."""
        parts = (getattr(self, field.name) for field in fields(self))
        return type(self)(*(part.of(part.fold != fold) for part in parts))


def cases_of_folds(
    examples: Iterable[Example], miscues: Iterable[Miscue], network: Path, rated: HeldOutPredictions
) -> AllCases:
    """Gather the cases from the predictions of each fold's network for its speakers."""
    judge_of = judges(network)
    lines = {fold: fit_stacking(without(rated, fold).phones) for fold in set(rated.fold.tolist())}

    def predicted(example: Example) -> tuple[NetworkOutput, int]:
        fold, judge = judge_of[example.speaker]
        return lines[fold].corrected(example.given, judge.forward(example.given)), fold

    found: dict[str, list[Cases]] = defaultdict(list)
    for example in examples:
        if not example.variant:
            for kind, cases in _rated(example, *predicted(example)).items():
                found[kind].append(cases)
    for miscue in miscues:
        for kind, cases in _miscued(miscue, *predicted(miscue.example)).items():
            found[kind].append(cases)
    return AllCases(**{kind: _joined(parts) for kind, parts in found.items()})


def _cases(evidence: Array, right: Flags, fold: int, weight: float = 1.0) -> Cases:
    count = len(evidence)
    return Cases(evidence, right, np.full(count, weight), np.full(count, fold))


def _joined(parts: Sequence[Cases]) -> Cases:
    return Cases(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Cases))
    )


def _rated(example: Example, output: NetworkOutput, fold: int) -> dict[str, Cases]:
    """Return the cases of a clean recording with its own text."""
    given, accuracy = example.given, example.phone_accuracy
    heard = realisations(given, output)
    is_rated = ~np.isnan(accuracy)
    is_candidate = is_rated & (heard.own <= HARDLY_HEARD)
    is_other = is_candidate & (heard.other_share > heard.nothing_share)
    is_none = is_candidate & ~is_other
    others = np.column_stack([output.marks[:, -1], heard.other_share])[is_other]
    nones = np.column_stack([output.marks[:, -1], heard.nothing_share])[is_none]
    clear = example.word_accuracy >= UNHEARD_WORD
    omission = omission_evidence(given, output)[clear]
    between = speech_between(given, output)[:, None]
    if example.utterance[1] < FLUENT:
        between = between[:0]
    return {
        "phones": _cases(output.phones[is_rated, None], accuracy[is_rated] < MISPRONOUNCED, fold),
        "substituted": _cases(others, accuracy[is_other] < FAULTY, fold),
        "deleted": _cases(nones, accuracy[is_none] < FAULTY, fold),
        "omitted": _cases(omission, np.zeros(len(omission), bool), fold),
        "inserted": _cases(between, np.zeros(len(between), bool), fold),
    }


def _miscued(miscue: Miscue, output: NetworkOutput, fold: int) -> dict[str, Cases]:
    """Return the case of a miscue."""
    given, place = miscue.example.given, miscue.place
    right = np.ones(1, bool)
    kind = KINDS[miscue.example.variant]
    if kind == "a word less":
        return {"omitted": _cases(omission_evidence(given, output)[[place]], right, fold)}
    if kind == "a word more":
        return {
            "inserted": _cases(speech_between(given, output)[:, None][[place - 1]], right, fold)
        }
    heard = realisations(given, output)
    if heard.own[place] > HARDLY_HEARD:
        return {}
    weight = DELETIONS if miscue.realised == NOTHING else 1.0
    if heard.other_share[place] > heard.nothing_share[place]:
        is_right = heard.other[[place]] == miscue.realised
        return {"named": _cases(heard.other_share[[place], None], is_right, fold, weight)}
    is_right = np.array([miscue.realised == NOTHING])
    return {"named_deleted": _cases(heard.nothing_share[[place], None], is_right, fold, weight)}
