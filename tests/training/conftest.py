import numpy as np
import pytest

from speech.scores.network import PHONES, STEP, NetworkInput
from training.examples import Example

FRAME, EMBEDDING, GOODNESS, UTTERANCE = 142, 4, 6, 5


def _example(number, speaker, variant, skill):
    """Build an example whose frames and goodness reflect how well each phone was said."""
    chance = np.random.default_rng(number)  # a copy differs only in its noise
    phones = int(chance.integers(4, 12))
    lengths, pauses = chance.integers(4, 9, phones), chance.integers(0, 2, phones) * 6
    ends = np.cumsum(lengths + pauses)
    quality = np.clip(skill + chance.normal(0, 0.2, phones), 0, 1)
    said = chance.integers(0, PHONES, phones)
    frames = (0.5 + variant) * chance.normal(0, 1, (int(ends[-1]) + 8, FRAME))
    for start, end, phone, good in zip(ends - lengths, ends, said, quality, strict=True):
        frames[start:end, 13 + phone] += 6 * good
    goodness = chance.normal(0, 1, (phones, GOODNESS))
    goodness[:, 0] += 6 * quality
    utterance = chance.normal(0, 1, UTTERANCE)
    utterance[0] += 6 * skill
    words = np.arange(phones) // 3
    steps = -(-len(frames) // STEP)
    return Example(
        name=f"{number:05}",
        speaker=speaker,
        variant=variant,
        given=NetworkInput(
            frames.astype(np.float32),
            chance.normal(skill, 1, (steps, EMBEDDING)).astype(np.float32),
            np.column_stack([ends - lengths, ends]),
            said,
            chance.integers(0, 4, phones),
            words,
            goodness.astype(np.float32),
            utterance.astype(np.float32),
        ),
        phone_accuracy=(2 * quality).astype(np.float32),
        marks=np.column_stack([quality**2, 2 * quality * (1 - quality), (1 - quality) ** 2]).astype(
            np.float32
        ),
        word_accuracy=np.array([10 * quality[words == w].mean() for w in set(words)], np.float32),
        utterance=np.full(4, 10 * skill, np.float32),
    )


@pytest.fixture
def examples():
    """Ten speakers of different skill, six utterances each, clean and corrupted."""
    return [
        _example(10 * speaker + utterance, f"{speaker:04}", variant, 0.1 * speaker)
        for speaker in range(10)
        for utterance in range(6)
        for variant in range(2)
    ]
