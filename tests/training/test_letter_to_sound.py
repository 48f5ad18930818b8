import pytest

pytest.importorskip("torch", reason="only training needs it")

import torch

from speech.text.letter_to_sound import probabilities, read
from training.dictionary_words import Words
from training.letter_to_sound import (
    PHONES,
    Speller,
    phone_errors,
    train,
    write,
)


def test_a_saved_network_predicts_what_the_trained_one_predicts(tmp_path):
    torch.manual_seed(1)
    speller = Speller().eval()
    write(speller, tmp_path / "spelling.npz")
    network = read(tmp_path / "spelling.npz")
    assert network.phones == PHONES
    for word in ("a", "cat", "kerfuffle"):
        letters = torch.tensor([[ord(letter) - 96 for letter in word]])
        # Padding after a word must not change it.
        padded = torch.nn.functional.pad(letters, (0, 4))
        with torch.no_grad():
            expected = speller(padded)[0, : 2 * len(word)].exp().numpy()
        # Weights are rounded to bytes.
        assert abs(probabilities(network, word) - expected).max() < 0.02


def test_training_learns_what_letters_sound_like(monkeypatch):
    monkeypatch.setattr("training.letter_to_sound.EPOCHS", 60)
    said = {"bat": "B AE T", "tab": "T AE B", "tot": "T AA T", "bob": "B AA B"}
    pronunciations = {word: [tuple(phones.split())] for word, phones in said.items()}
    speller = train(Words(pronunciations, list(said), [], [])).eval()
    with torch.no_grad():
        best = speller(torch.tensor([[2, 1, 20]]))[0].argmax(dim=1)
    assert [PHONES[place] for place in best if place] == ["B", "AE", "T"]


@pytest.mark.parametrize(
    ("guess", "errors"), [("K AE T", (0, 3)), ("K AA T S", (1, 4)), ("", (3, 3)), ("T", (2, 3))]
)
def test_errors_are_edits_to_the_nearest_variant(guess, errors):
    variants = [("K", "AE", "T"), ("K", "AE", "T", "S")]
    assert phone_errors(tuple(guess.split()), variants) == errors
