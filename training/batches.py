"""Build batches for training: utterances laid end to end instead of padded to one length.

Everything by time is in steps of the encoder, two frames each. Empty steps separate utterances by
the encoder's reach, so that they do not affect each other. A batch is addressed by index; no loop
runs over phones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from speech.scores.network import (
    PHONES,
    REACH,
    STATES,
    STEP,
    TO_TEN,
    Standardisations,
    mean_embedding,
)
from training.examples import Example

CEPSTRA = slice(0, 13)
GROUPS = (CEPSTRA, slice(13, 139), slice(139, 142))  # cepstra; states; pitch, voicing, energy
LOST_GROUP = 0.15  # chance that one of them is missing
LOST_FRAMES, LOST_EMBEDDINGS = 0.1, 0.1  # so that neither is trusted alone
SILENCE = STATES - 1
SILENCE_WEIGHT = 0.3  # it is frequent and easy
UNRATED_WEIGHT = 0.5
LONGEST_MASK = 6  # steps


@dataclass(frozen=True, slots=True)
class Prepared:
    """A standardised example; what is by step is in half precision to save memory."""

    name: str  # of the utterance; its copies share it
    speaker: str
    variant: int
    frames: Tensor  # (S, 2, F)
    embeddings: Tensor  # (S, E), without their mean
    voice: Tensor  # (E,): that mean
    phone_of_frame: Tensor  # (T,): P in silence
    states: Tensor  # (S,): targets of the encoder
    state_weights: Tensor  # (S,)
    phones: Tensor  # (P, 3): phone, position, word
    goodness: Tensor  # (P, G)
    utterance: Tensor  # (U,)
    marks: Tensor  # (P, 3): shares of the experts, NaN where unknown
    phone_accuracy: Tensor  # (P,): 0 to 2, NaN where unknown
    word_accuracy: Tensor  # (W,): 0 to 2
    scores: Tensor  # (4,): 0 to 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Several examples, end to end. Frames outside of phones belong to phone number P."""

    frames: Tensor  # (N, 2 F)
    embeddings: Tensor  # (N, E)
    mean_embeddings: Tensor  # (B, E)
    inside: Tensor  # (N, 1): 0 between utterances
    step_of_frame: Tensor  # (M,)
    phone_of_frame: Tensor  # (M,)
    states: Tensor  # (N,)
    state_weights: Tensor  # (N,): 0 between utterances
    phones: Tensor  # (P, 3): phone, position, word
    goodness: Tensor  # (P, G)
    utterance_of_phone: Tensor  # (P,)
    place_of_phone: Tensor  # (P,): within its utterance
    utterance: Tensor  # (B, U)
    marks: Tensor  # (P, 3)
    phone_accuracy: Tensor  # (P,)
    word_accuracy: Tensor  # (W,)
    scores: Tensor  # (B, 4)


def prepare(example: Example, standard: Standardisations) -> Prepared:
    """Standardise inputs and scale all targets to 0-2, like phones."""
    given = example.given
    count, steps = len(given.frames), len(given.embeddings)
    frames = np.zeros((STEP * steps, given.frames.shape[1]), np.float16)
    frames[:count] = standard.frames.apply(given.frames.astype(np.float32))
    embeddings = standard.embeddings.apply(given.embeddings.astype(np.float32))
    voice = mean_embedding(embeddings, given.segments)
    phone_of_frame = np.full(count, len(given.phones))
    states = np.full(count, SILENCE)
    weights = np.full(count, SILENCE_WEIGHT, np.float32)
    # A badly said phone is a poor example of how that phone sounds.
    said = np.nan_to_num(example.phone_accuracy / 2, nan=UNRATED_WEIGHT)
    for index, (start, end) in enumerate(given.segments):
        phone_of_frame[start:end] = index
        thirds = np.arange(end - start) * 3 // (end - start)
        states[start:end] = thirds * PHONES + given.phones[index]
        weights[start:end] = said[index]
    tensor = torch.from_numpy
    return Prepared(
        example.name,
        example.speaker,
        example.variant,
        tensor(frames.reshape(steps, STEP, -1)),
        tensor((embeddings - voice).astype(np.float16)),
        tensor(voice),
        tensor(phone_of_frame),
        tensor(states[::STEP]),
        tensor(weights[::STEP]),
        tensor(np.column_stack([given.phones, given.positions, given.words])),
        tensor(standard.goodness.apply(given.goodness.astype(np.float32))),
        tensor(standard.utterance.apply(given.utterance.astype(np.float32))),
        tensor(example.marks),
        tensor(example.phone_accuracy.astype(np.float32)),
        tensor((example.word_accuracy / TO_TEN).astype(np.float32)),
        tensor((example.utterance / TO_TEN).astype(np.float32)),
    )


def collate(prepared: Sequence[Prepared]) -> Batch:
    """Lay examples end to end."""
    step_counts = torch.tensor([len(one.frames) for one in prepared])
    first_steps = torch.cumsum(step_counts + REACH, 0) - step_counts - REACH
    phone_counts = torch.tensor([len(one.phones) for one in prepared])
    word_counts = torch.tensor([len(one.word_accuracy) for one in prepared])
    first_phones = torch.cumsum(phone_counts, 0) - phone_counts
    first_words = torch.cumsum(word_counts, 0) - word_counts
    total = int(phone_counts.sum())
    utterance_of_phone = torch.repeat_interleave(torch.arange(len(prepared)), phone_counts)
    phones = torch.cat([one.phones for one in prepared])
    phones[:, 2] += first_words[utterance_of_phone]
    of_frame = [
        torch.where(one.phone_of_frame < len(one.phones), one.phone_of_frame + first, total)
        for one, first in zip(prepared, first_phones, strict=True)
    ]
    return Batch(
        _laid([one.frames.flatten(1).float() for one in prepared], 0.0),
        _laid([one.embeddings.float() for one in prepared], 0.0),
        torch.stack([one.voice for one in prepared]),
        _laid([torch.ones(len(one.frames), 1) for one in prepared], 0.0),
        torch.cat(
            [
                torch.arange(len(one.phone_of_frame)) // STEP + first
                for one, first in zip(prepared, first_steps, strict=True)
            ]
        ),
        torch.cat(of_frame),
        _laid([one.states for one in prepared], SILENCE),
        _laid([one.state_weights for one in prepared], 0.0),
        phones,
        torch.cat([one.goodness for one in prepared]),
        utterance_of_phone,
        torch.arange(total) - first_phones[utterance_of_phone],
        torch.stack([one.utterance for one in prepared]),
        torch.cat([one.marks for one in prepared]),
        torch.cat([one.phone_accuracy for one in prepared]),
        torch.cat([one.word_accuracy for one in prepared]),
        torch.stack([one.scores for one in prepared]),
    )


def _laid(parts: Sequence[Tensor], filling: float) -> Tensor:
    between = torch.full((REACH, *parts[0].shape[1:]), filling, dtype=parts[0].dtype)
    return torch.cat([piece for part in parts for piece in (part, between)])


def disturbed(one: Prepared, chance: np.random.Generator, *, hears: bool) -> Prepared:
    """Return a randomly altered copy, as by another microphone or a disturbance.

    Embeddings stay as they are unless the network `hears` them: then they are what it should tell.
    """
    frames, embeddings = one.frames.float(), one.embeddings.float()
    frames[..., CEPSTRA] += torch.from_numpy(chance.normal(0, 0.2, 13).astype(np.float32))
    for _ in range(chance.integers(3)):
        start = int(chance.integers(len(frames)))
        masked = slice(start, start + int(chance.integers(1, LONGEST_MASK + 1)))
        frames[masked] = 0
        if hears and chance.random() < 0.5:
            embeddings[masked] = 0
    if chance.random() < LOST_GROUP:
        frames[..., GROUPS[chance.integers(len(GROUPS))]] = 0
    if hears and chance.random() < LOST_EMBEDDINGS:
        embeddings[:] = 0
    if hears and chance.random() < LOST_FRAMES:
        frames[:] = 0
    goodness = one.goodness + 0.05 * torch.from_numpy(
        chance.standard_normal(one.goodness.shape, np.float32)
    )
    utterance = one.utterance + 0.1 * torch.from_numpy(
        chance.standard_normal(one.utterance.shape, np.float32)
    )
    return replace(
        one, frames=frames, embeddings=embeddings, goodness=goodness, utterance=utterance
    )
