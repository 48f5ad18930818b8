"""Goodness of pronunciation: how well each phone fits its frames (Witt & Young 2000).

With the phone's frames fixed, every phone of the language is scored on them; the measure is how
far the expected one lies behind the best. All likelihoods are in nats per frame, relative to the
best state of the same frame, so that they do not depend on microphone or level.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.model_files import acoustic_model
from speech.acoustics.triphones import STATES
from speech.alignment.forced import AlignedPhone
from speech.text.phones import PHONES

Array = NDArray[np.float32]

# A few frames of noise must not outweigh the rest of a phone.
_LOWEST: Final = -30.0
_LONGEST_GAP_FRAMES: Final = 100

NAMES: Final = (
    "in_context",  # its states in their context
    "own",  # its context-independent states, as in all below
    "best_other",
    "margin",  # own - best_other
    "log_rank",  # log of 1 + the number of phones that fit better
    "posterior",  # log probability among all phones, by segment
    "frame_posterior",  # and by frame, averaged
    "silence",  # fit of silence instead
    "said",  # its states in their context, relative to its neighbours filling its frames
    "first_state",
    "second_state",
    "third_state",
    "log_frames",
    "relative_log_frames",  # to the mean of this recording
    "periodicity",
    "energy",
    "gap_before",  # log of frames
    "gap_after",
    *(f"as_{phone.lower()}" for phone in (*PHONES, "sil")),  # relative to the best of them
)


def relative_likelihoods(context_independent: Array) -> Array:
    """Return log likelihoods, shape (T, 126), relative to the best of each frame, at most 0."""
    relative: Array = context_independent - context_independent.max(axis=1, keepdims=True)
    return np.maximum(relative, _LOWEST, out=relative)


def goodness(
    phones: Sequence[AlignedPhone], states: Array, in_context: Array, voice: Array
) -> Array:
    """Measure every phone.

    Args:
        phones: P phones, in order.
        states: Shape (T, 126), from `relative_likelihoods`.
        in_context: Shape (T,), likelihood of each frame in the state it was aligned to, relative
            to the best in `states`.
        voice: Shape (T, 2): periodicity, energy.

    Returns:
        Shape (P, len(`NAMES`)).
    """
    segments = np.array([(phone.start_frame, phone.end_frame) for phone in phones])
    own = np.array([PHONES.index(phone.phone) for phone in phones])
    frames = (segments[:, 1] - segments[:, 0]).astype(np.float32)
    fits = segment_fits(states[:, phone_columns()], segments)
    rows = np.arange(len(phones))
    own_fit = fits[rows, own]
    others = fits.copy()
    others[rows, own] = -np.inf
    best_other = others.max(axis=1)
    by_frame = _frame_posteriors(states)
    in_context = np.maximum(in_context, _LOWEST)
    fit_in_context = segment_means(in_context, segments)
    log_frames = np.log(frames)
    gaps = np.log1p(_gaps(segments))
    columns = [
        fit_in_context,
        own_fit,
        best_other,
        own_fit - best_other,
        np.log1p((others > own_fit[:, None]).sum(axis=1)),
        own_fit - np.logaddexp.reduce(fits, axis=1),
        segment_means(by_frame, segments)[rows, own],
        fits[:, -1],
        fit_in_context - _not_said(states, own, segments) / frames,
        *_state_means(phones, in_context),
        log_frames,
        log_frames - log_frames.mean(),
        *segment_means(voice, segments).T,
        gaps[:-1],
        gaps[1:],
    ]
    relative = fits - fits.max(axis=1, keepdims=True)
    return np.column_stack([*columns, relative]).astype(np.float32)


def segment_means(values: Array, segments: NDArray[np.int64]) -> Array:
    """Average frames, shape (T, ...), over segments, shape (P, 2), none empty."""
    sums = np.add.reduceat(
        np.concatenate([values, np.zeros_like(values[:1])]), segments.ravel(), axis=0
    )[::2]
    lengths = segments[:, 1] - segments[:, 0]
    counts = lengths.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
    return np.asarray(sums / counts, np.float32)


def segment_fits(states: Array, segments: NDArray[np.int64]) -> Array:
    """Return how well each phone fits each segment: its best path from left to right.

    Args:
        states: Shape (T, Q, 3): log likelihoods of the three states of Q phones.
        segments: Shape (P, 2), each at least 3 frames.

    Returns:
        Shape (P, Q), nats per frame.
    """
    lengths = segments[:, 1] - segments[:, 0]
    order = np.argsort(-lengths, kind="stable")  # longest first: active ones form a prefix
    starts, sizes = segments[order, 0], lengths[order]
    running = (sizes[None, :] > np.arange(sizes[0])[:, None]).sum(axis=1).tolist()
    scores = np.full((len(order), states.shape[1], STATES), -np.inf, np.float32)
    scores[:, :, 0] = states[starts, :, 0]
    for step in range(1, int(sizes[0])):
        active = scores[: running[step]]
        np.maximum(active[:, :, 1:], active[:, :, :-1], out=active[:, :, 1:])
        active += states[starts[: running[step]] + step]
    fits = np.empty(scores.shape[:2], np.float32)
    fits[order] = scores[:, :, -1] / sizes[:, None].astype(np.float32)
    return fits


def phone_columns() -> NDArray[np.int64]:
    """Return the columns, among the 126, of the 39 phones' states and last silence's; (40, 3)."""
    names = acoustic_model().phones
    firsts = STATES * np.array([names.index(name) for name in (*PHONES, "SIL")])
    columns: NDArray[np.int64] = firsts[:, None] + np.arange(STATES)
    return columns


def _frame_posteriors(states: Array) -> Array:
    """Return the log probability of each of 40 phones in each frame, shape (T, 40)."""
    by_phone = states[:, phone_columns()].max(axis=2)
    posteriors: Array = by_phone - np.log(np.exp(by_phone).sum(axis=1, keepdims=True))
    return posteriors


def _not_said(states: Array, own: NDArray[np.int64], segments: NDArray[np.int64]) -> Array:
    """Return the fit of each segment if its phone is left out and the neighbours fill its frames.

    Returns:
        Shape (P,), total in nats: the last state of the phone before, then the first state of the
        phone after, switching where it fits best. A neighbour across a gap counts as silence.
    """
    columns = phone_columns()
    apart = segments[1:, 0] > segments[:-1, 1]
    silence = len(columns) - 1
    before = np.concatenate([[silence], np.where(apart, silence, own[:-1])])
    after = np.concatenate([np.where(apart, silence, own[1:]), [silence]])
    totals = np.empty(len(own), np.float32)
    for index, (start, end) in enumerate(segments.tolist()):
        held = states[start:end, columns[before[index], -1]]
        begun = states[start:end, columns[after[index], 0]]
        # Sum of `held` up to a frame and of `begun` from there, for every such frame.
        switched = np.cumsum(held - begun)
        totals[index] = begun.sum() + max(float(switched.max()), 0.0)
    return totals


def _state_means(phones: Sequence[AlignedPhone], in_context: Array) -> Array:
    edges = np.array([(phone.start_frame, *phone.states, phone.end_frame) for phone in phones])
    return np.stack(
        [segment_means(in_context, edges[:, state : state + 2]) for state in range(STATES)]
    )


def _gaps(segments: NDArray[np.int64]) -> Array:
    """Return the frames of silence before each phone and after the last; 0 at both ends."""
    between = segments[1:, 0] - segments[:-1, 1]
    gaps = np.clip(np.concatenate([[0], between, [0]]), 0, _LONGEST_GAP_FRAMES)
    return np.asarray(gaps, np.float32)
