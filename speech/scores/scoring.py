"""Score one recording as experts would, with a measure of mismatch.

Experts score phones from 0 to 2, words and utterances from 0 to 10; both scales are stretched
linearly to 0-100.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.front_end import FRAME_SHIFT, WINDOW_SAMPLES
from speech.acoustics.pitch import Pitch
from speech.alignment.forced import AlignedPiece, Alignment
from speech.scores.features import network_input, step_embeddings
from speech.scores.gate import gate_evidence
from speech.scores.mistakes import own_posteriors, word_means
from speech.scores.model import ScoringModel
from speech.scores.network import NetworkInput, NetworkOutput
from speech.scores.prosody import NAMES as PROSODY_NAMES

Array = NDArray[np.float32]
Score = NDArray[np.floating[Any]]

WELL_SAID: Final = 8.0  # of 10; a word's confidence is the probability of reaching it
_PER_PHONE_POINT: Final = 50.0
_PER_POINT: Final = 10.0

# A word counts as heard if a third of its phones are among the five likeliest in their segments.
_HEARD_RANK: Final = 5
_HEARD_SHARE: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of one recording, 0-100 unless noted.

    Attributes:
        accuracy: Pronunciation as a whole.
        fluency: Smoothness: rate, pauses, hesitations.
        prosodic: Stress, rhythm and melody.
        total: Overall.
        completeness: Share of the words of which enough sounds were heard.
        intervals: Shape (4, 2): where the experts' means probably lie, for accuracy, fluency,
            prosodic and total; see `speech.scores.intervals`.
        phones: Shape (phones,), in the alignment's order.
        words: Shape (words,).
        phone_intervals: Shape (phones, 2).
        word_intervals: Shape (words, 2).
        omitted: For each word, whether it was surely left out, by a fitted regression. A word
            that `completeness` leaves out may only have been said badly.
        follows_insertion: For each word, whether something that is not in the text was surely said
            between it and the word before it.
        confidences: Shape (words,), probability 0-1 that experts would rate the word as well said.
        heard_instead: For each phone, the phone clearly heard in its place, "" if clearly none;
            None otherwise.
        faulty_below: Score of a phone below which it counts as mispronounced in statistics.
        mismatch: How far the recording departs from the text; see `Gate.mismatch`.
        measures: Measures of the utterance, by name.
    """

    accuracy: float
    fluency: float
    prosodic: float
    total: float
    completeness: float
    intervals: Score
    phones: Score
    words: Score
    phone_intervals: Score
    word_intervals: Score
    omitted: tuple[bool, ...]
    follows_insertion: tuple[bool, ...]
    confidences: Score
    heard_instead: tuple[str | None, ...]
    faulty_below: float
    mismatch: float
    measures: dict[str, float]


def align_and_score(
    waveform: Array,
    frames: Array,
    pieces: Iterable[AlignedPiece],
    pitch: Pitch,
    model: ScoringModel,
) -> tuple[list[Alignment], Scores]:
    """Score piece by piece, so that only one piece's likelihoods are held at a time.

    Args:
        waveform: Shape (n,), the recording.
        frames: Shape (T, 39), its features.
        pieces: Aligned pieces of the recording, in order.
        pitch: Pitch of the recording.
        model: The scoring model.
    """
    alignments, inputs, outputs = [], [], []
    for piece in pieces:
        end = piece.start_frame + piece.alignment.frames
        span = slice(piece.start_frame, end)
        heard = waveform[FRAME_SHIFT * piece.start_frame : FRAME_SHIFT * (end - 1) + WINDOW_SAMPLES]
        embeddings = step_embeddings(model.encoder, heard, piece.alignment.frames)
        given = network_input(frames[span], piece, pitch.part(span), model.durations, embeddings)
        alignments.append(piece.in_recording())
        inputs.append(given)
        outputs.append(model.predict(given))
    return alignments, _scores(inputs, outputs, model)


def _scores(
    inputs: Sequence[NetworkInput], outputs: Sequence[NetworkOutput], model: ScoringModel
) -> Scores:
    # Weight pieces by their number of phones.
    weights = np.array([len(given.phones) for given in inputs], float)
    weights /= weights.sum()
    whole = _PER_POINT * (weights @ np.stack([output.utterance for output in outputs]))
    evidence = np.stack([gate_evidence(*pair) for pair in zip(inputs, outputs, strict=True)])
    measured = weights @ np.stack([given.utterance for given in inputs])
    phones = _PER_PHONE_POINT * np.concatenate([output.phones for output in outputs])
    words = np.concatenate([output.words for output in outputs])
    # Weighted like the scores: pieces of one speaker err in the same direction, so the mean of
    # their intervals is not too narrow.
    intervals = np.tensordot(
        weights,
        np.stack(
            [
                model.intervals.of_utterance(_PER_POINT * output.utterance, len(output.words))
                for output in outputs
            ]
        ),
        1,
    )
    accuracy, fluency, prosodic, total = whole.tolist()
    instead: list[str | None] = []
    heard: list[bool] = []
    omitted: list[bool] = []
    follows_insertion: list[bool] = []
    for given, output in zip(inputs, outputs, strict=True):
        instead += model.mistakes.realised(given, output)
        heard += _words_heard(given, output)
        omitted += model.mistakes.is_omitted(given, output)
        follows_insertion += model.mistakes.follows_insertion(given, output)
    return Scores(
        accuracy=accuracy,
        fluency=fluency,
        prosodic=prosodic,
        total=total,
        completeness=100 * float(np.mean(heard)),
        intervals=intervals,
        phones=phones,
        words=_PER_POINT * words,
        phone_intervals=model.intervals.of_phones(phones),
        word_intervals=model.intervals.of_words(_PER_POINT * words),
        omitted=tuple(omitted),
        follows_insertion=tuple(follows_insertion),
        confidences=np.interp(words, *model.confidence),
        heard_instead=tuple(instead),
        faulty_below=_PER_PHONE_POINT * float(model.mistakes.faulty),
        mismatch=float(model.gate.mismatch((weights @ evidence).astype(np.float32))),
        measures=dict(zip(PROSODY_NAMES, measured.tolist(), strict=True)),
    )


def _words_heard(given: NetworkInput, output: NetworkOutput) -> list[bool]:
    own = own_posteriors(given, output)
    among_best = (output.posteriors > own[:, None]).sum(axis=1) < _HEARD_RANK
    heard: list[bool] = (word_means(given, among_best.astype(float)) >= _HEARD_SHARE).tolist()
    return heard
