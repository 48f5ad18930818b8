"""Gather the network's input for one piece of speech from its sound and alignment."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.pitch import Pitch
from speech.acoustics.whisper import LAYERS, MAX_SECONDS, WhisperEncoder
from speech.alignment.forced import AlignedPiece
from speech.scores.goodness import goodness, phone_columns, relative_likelihoods
from speech.scores.network import STEP, NetworkInput
from speech.scores.prosody import DurationNorm, Voice, utterance_features
from speech.text.phones import PHONES
from speech.waveform import SAMPLE_RATE_HZ

Array = NDArray[np.float32]

_CEPSTRA: Final = 13
_ENERGY_FLOOR_DB: Final = -60.0
_ALONE, _FIRST, _INNER, _LAST = range(4)


def network_input(
    frames: Array,
    piece: AlignedPiece,
    pitch: Pitch,
    norms: Mapping[str, DurationNorm],
    embeddings: Array,
) -> NetworkInput:
    """Gather the features of one piece.

    Args:
        frames: Shape (T, 39), features of the piece.
        piece: The piece, T frames.
        pitch: Pitch of the same frames.
        norms: Usual duration of each phone.
        embeddings: Shape (steps of T, E); see `step_embeddings`.
    """
    raw = piece.context_independent
    in_context = piece.path_likelihoods - raw.max(axis=1)
    states = relative_likelihoods(raw)
    words = piece.alignment.words
    phones = [phone for word in words for phone in word.phones]
    semitones, energy = _semitones(pitch), _energy(pitch)
    measured = goodness(phones, states, in_context, np.column_stack([pitch.periodicity, energy]))
    is_speech = np.zeros(len(frames), bool)
    for phone in phones:
        is_speech[phone.start_frame : phone.end_frame] = True
    silence = states[~is_speech][:, phone_columns()[-1]].max(axis=1)
    return NetworkInput(
        frames=frame_measures(frames, states, pitch),
        embeddings=embeddings,
        segments=np.array([(phone.start_frame, phone.end_frame) for phone in phones]),
        phones=np.array([PHONES.index(phone.phone) for phone in phones]),
        positions=np.array([p for word in words for p in _positions(len(word.phones))]),
        words=np.repeat(np.arange(len(words)), [len(word.phones) for word in words]),
        goodness=measured,
        utterance=utterance_features(
            piece.alignment,
            measured,
            float(silence.mean()) if len(silence) else 0.0,
            Voice(semitones, energy),
            norms,
        ),
    )


def frame_measures(frames: Array, states: Array, pitch: Pitch) -> Array:
    """Gather the features of frames that need no alignment, shape (T, 142).

    Args:
        frames: Shape (T, 39).
        states: Shape (T, 126), from `relative_likelihoods`.
        pitch: Pitch of the same frames.
    """
    semitones = np.nan_to_num(_semitones(pitch))
    return np.column_stack(
        [frames[:, :_CEPSTRA], states, semitones, pitch.periodicity, _energy(pitch)]
    )


def step_embeddings(encoder: WhisperEncoder | None, waveform: Array, frames: int) -> Array:
    """Return what Whisper's encoder hears in each step of the network.

    Args:
        encoder: None for an engine without embeddings.
        waveform: Shape (n,), of the piece; what is beyond 30 s is not heard.
        frames: Number of frames of the piece.

    Returns:
        Shape (steps, 384), or (steps, 0) without an encoder.
    """
    steps = -(-frames // STEP)
    if encoder is None:
        return np.empty((steps, 0), np.float32)
    states = encoder.states(waveform[: MAX_SECONDS * SAMPLE_RATE_HZ], (LAYERS,))[LAYERS]
    # The middle of a step's two windows is 35 samples from the next state's.
    return states[np.minimum(np.arange(1, steps + 1), len(states) - 1)]


def _energy(pitch: Pitch) -> Array:
    return np.maximum(pitch.energy_db, _ENERGY_FLOOR_DB)


def _semitones(pitch: Pitch) -> Array:
    """Return pitch relative to the median of the voiced frames; NaN where unvoiced."""
    voiced = pitch.hz > 0
    semitones = np.full(len(pitch.hz), np.nan, np.float32)
    if voiced.any():
        semitones[voiced] = 12 * np.log2(pitch.hz[voiced] / np.median(pitch.hz[voiced]))
    return semitones


def _positions(phones: int) -> list[int]:
    if phones == 1:
        return [_ALONE]
    return [_FIRST, *[_INNER] * (phones - 2), _LAST]
