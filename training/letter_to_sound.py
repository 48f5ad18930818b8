"""Train `speech/models/en-spelling.npz`, which predicts the phones of unlisted words.

    OMP_NUM_THREADS=1 python -m training.letter_to_sound --output speech/models/en-spelling.npz

Trains on the cmudict of the pocketsphinx wheel (BSD); needs torch, and about nine minutes on one
core. One word in twenty is held out with all its inflections and derivations, and some more
without theirs. The error rates on them are those of the shipped network.
"""

import argparse
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speech.text.letter_to_sound import read, sound_out_with
from speech.text.lexicon import plural
from speech.text.phones import IPA
from training.dictionary_words import PLACES, Words, read_words

Phones = tuple[str, ...]

PHONES = ("", *sorted(IPA))  # the first means no phone
WIDTH, DEPTH, WINDOW, DROPOUT = 128, 6, 5, 0.15
EPOCHS, BATCH, RATE, WEIGHT_DECAY = 13, 128, 3e-3, 0.01


class Speller(nn.Module):
    """Maps letters (batch, length), 0 as padding, to log probabilities (batch, 2 * length, 40)."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(27, WIDTH)
        self.windows = nn.ModuleList(
            nn.Conv1d(WIDTH, WIDTH, WINDOW, padding=WINDOW // 2) for _ in range(DEPTH)
        )
        self.mixes = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, PLACES * len(PHONES))
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, letters: Tensor) -> Tensor:
        """Forward pass."""
        inside = (letters > 0).unsqueeze(-1)
        state = self.letters(letters)
        for window, mix in zip(self.windows, self.mixes, strict=True):
            hidden = window((self.norm(state) * inside).transpose(1, 2)).transpose(1, 2)
            state = state + self.dropout(mix(torch.relu(hidden)))
        scores = self.head(self.norm(state)).view(len(letters), -1, len(PHONES))
        return torch.log_softmax(scores, dim=-1)


def train(words: Words) -> Speller:
    """Train on the first variant of every word, with one learning-rate cycle."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shuffled = random.Random(0)  # noqa: S311 - an order, not a secret
    speller = Speller()
    optimizer = torch.optim.AdamW(speller.parameters(), weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * len(_batches(words.learnt, shuffled))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(EPOCHS):
        losses = []
        for batch in _batches(words.learnt, shuffled):
            optimizer.zero_grad()
            loss = _loss(speller, batch, words)
            loss.backward()
            nn.utils.clip_grad_norm_(speller.parameters(), 1.0)
            optimizer.step()
            cycle.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1:2} of {EPOCHS}: {np.mean(losses):.4f} nats a phone", flush=True)
    return speller


def _batches(words: Sequence[str], shuffled: random.Random) -> list[list[str]]:
    """Batch words of about the same length, in a new order each time."""
    by_length = sorted(words, key=lambda word: len(word) + 1.5 * shuffled.random())
    batches = [by_length[start : start + BATCH] for start in range(0, len(words), BATCH)]
    shuffled.shuffle(batches)
    return batches


def _loss(speller: Speller, batch: Sequence[str], words: Words) -> Tensor:
    said = [words.pronunciations[word][0] for word in batch]
    letters = [torch.tensor([ord(letter) - 96 for letter in word]) for word in batch]
    likely = speller(nn.utils.rnn.pad_sequence(letters, batch_first=True))
    phones = torch.tensor([PHONES.index(phone) for phones in said for phone in phones])
    return nn.functional.ctc_loss(
        likely.transpose(0, 1),
        phones,
        torch.tensor([PLACES * len(word) for word in batch]),
        torch.tensor([len(phones) for phones in said]),
    )


def write(speller: Speller, output: Path) -> None:
    """Round the weights to bytes and write them."""
    stored: dict[str, NDArray[np.generic]] = {
        "phones": np.array(" ".join(PHONES)),
        "depth": np.array(DEPTH),
        **_bytes("letters", speller.letters.weight[1:]),
        **_layer("head", speller.head.weight.T, speller.head.bias),
    }
    for index, (window, mix) in enumerate(zip(speller.windows, speller.mixes, strict=True)):
        rows = window.weight.permute(2, 1, 0).reshape(WINDOW * WIDTH, WIDTH)
        stored |= _layer(f"window{index}", rows, window.bias)
        stored |= _layer(f"letter{index}", mix.weight.T, mix.bias)
    np.savez_compressed(output, allow_pickle=False, **stored)


def _layer(name: str, weights: Tensor, biases: Tensor) -> dict[str, NDArray[np.generic]]:
    bias = biases.detach().numpy().astype(np.float16)
    return {**_bytes(name, weights), f"{name}_bias": bias}


def _bytes(name: str, weights: Tensor) -> dict[str, NDArray[np.generic]]:
    values = weights.detach().numpy()
    scale = (np.abs(values).max(axis=0) / 127).astype(np.float16)
    rounded = np.clip(np.round(values / scale.astype(np.float32)), -127, 127)
    return {f"{name}_bytes": rounded.astype(np.int8), f"{name}_scale": scale}


def phone_errors(guess: Phones, variants: Sequence[Phones]) -> tuple[int, int]:
    """Return the edit distance to the nearest variant, and the number of its phones."""
    return min((_edits(guess, variant), len(variant)) for variant in variants)


def _edits(guess: Phones, truth: Phones) -> int:
    row = list(range(len(truth) + 1))
    for said in guess:
        above, row = row, [row[0] + 1]
        for place, phone in enumerate(truth):
            row.append(min(above[place + 1] + 1, row[place] + 1, above[place] + (said != phone)))
    return row[-1]


def _report(name: str, guesses: Mapping[str, tuple[Phones, ...]], words: Words) -> None:
    """Print error rates of the first guess and of the best one."""
    rates = []
    for count in (1, None):
        errors = [
            min(phone_errors(guess, words.pronunciations[word]) for guess in variants[:count])
            for word, variants in guesses.items()
        ]
        edits, phones = np.sum(errors, axis=0)
        wrong = np.mean([edits > 0 for edits, _ in errors])
        rates.append(f"phones {edits / phones:6.2%}, words {wrong:6.2%}")
    print(f"{name} ({len(guesses)} words): {rates[0]}; best of the variants: {rates[1]}")


def measure(path: Path, words: Words) -> None:
    """Print the error rates of a saved network, and of the plural rule applied before it."""
    network = read(path)
    _report("unseen stems", {w: sound_out_with(network, w) for w in words.unseen}, words)
    by_rule = {word: said for word in words.unseen_singly if (said := plural(word))}
    _report("plurals, by rule", by_rule, words)
    _report("plurals, by network", {w: sound_out_with(network, w) for w in by_rule}, words)


def main() -> None:
    """Train, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    words = read_words()
    print(f"{len(words.learnt)} words to learn, {len(words.unseen)} unseen with their families")
    write(train(words), output)
    measure(output, words)


if __name__ == "__main__":
    main()
