from dataclasses import fields

import numpy as np
import pytest

from training.examples import read_examples, standardisations, write_examples


def test_examples_are_read_as_they_were_written_file_by_file(examples, tmp_path):
    examples[5].phone_accuracy[0] = np.nan
    write_examples(tmp_path / "a.npz", examples[:50])
    write_examples(tmp_path / "b.npz", examples[50:])
    read = list(read_examples(tmp_path))
    assert len(read) == len(examples)
    for written, found in zip(examples, read, strict=True):
        assert (found.name, found.speaker, found.variant) == (
            written.name, written.speaker, written.variant,
        )  # fmt: skip
        for name in ("phone_accuracy", "marks", "word_accuracy", "utterance"):
            np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
        for field in fields(written.given):
            one, other = getattr(written.given, field.name), getattr(found.given, field.name)
            if field.name in {"frames", "embeddings"}:
                one = one.astype(np.float16)
            np.testing.assert_array_equal(other, one)


def test_standardised_examples_have_mean_nought_and_spread_one(examples):
    standard = standardisations(examples)
    frames = np.concatenate([standard.frames.apply(e.given.frames) for e in examples])
    assert frames[:, :13].mean(axis=0) == pytest.approx(0, abs=1e-2)
    assert frames[:, :13].std(axis=0) == pytest.approx(1, abs=1e-2)


def test_an_input_that_never_changes_does_not_divide_by_nought(examples):
    for example in examples:
        example.given.goodness[:, 3] = 4
    standard = standardisations(examples)
    assert standard.goodness.apply(examples[0].given.goodness)[:, 3] == pytest.approx(0, abs=1e-3)
