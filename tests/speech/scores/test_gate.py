import numpy as np
import pytest

from speech.scores.gate import NAMES, Gate, gate_evidence
from speech.scores.goodness import NAMES as GOODNESS_NAMES
from speech.scores.network import NetworkInput, NetworkOutput
from speech.scores.prosody import NAMES as PROSODY_NAMES
from speech.text.phones import PHONES


def gate(**weights):
    """A gate of one regression on single pieces of evidence, and one that always returns -2."""
    n = len(NAMES)
    columns = np.zeros((2 * n, 2), np.float32)
    columns[[NAMES.index(name) for name in weights], 0] = list(weights.values())
    nought, one = np.zeros(n, np.float32), np.ones(n, np.float32)
    return Gate(nought, one, columns, np.array([-1.0, -2.0], np.float32))


def evidence(expected, heard, silence_between=1.0):
    """Return the evidence if the encoder recognises `heard` where `expected` were aligned."""
    phones = np.array([PHONES.index(phone) for phone in expected])
    posteriors = np.full((len(phones), 40), 0.001, np.float32)
    posteriors[np.arange(len(phones)), [PHONES.index(phone) for phone in heard]] = 0.96
    segments = np.array([(5 * index, 5 * index + 4) for index in range(len(phones))])
    frame_posteriors = np.full((5 * len(phones), 40), 0.001, np.float32)
    for (start, end), posterior in zip(segments, posteriors, strict=True):
        frame_posteriors[start:end] = posterior
        frame_posteriors[end, -1] = silence_between
    given = NetworkInput(
        frames=np.zeros((5 * len(phones), 142), np.float32),
        segments=segments,
        phones=phones,
        positions=np.ones(len(phones), np.int64),
        words=np.arange(len(phones)),
        goodness=np.zeros((len(phones), len(GOODNESS_NAMES)), np.float32),
        utterance=np.zeros(len(PROSODY_NAMES), np.float32),
    )
    whole = np.full(4, 7.0, np.float32)
    output = NetworkOutput(whole[:0], whole[:0], whole, posteriors, frame_posteriors)
    return dict(zip(NAMES, gate_evidence(given, output).tolist(), strict=True))


def test_right_phones_are_recognised_and_wrong_ones_are_not():
    right = evidence(["B", "IY", "T"], ["B", "IY", "T"])
    wrong = evidence(["B", "IY", "T"], ["S", "AO", "N"])
    assert right["heard_best"] == 1
    assert wrong["heard_best"] == 0
    assert right["heard_mean"] > wrong["heard_mean"] + 4
    assert right["heard_by_frame"] > wrong["heard_by_frame"] + 4
    assert right["heard_margin"] > 0 > wrong["heard_margin"]
    assert np.isfinite([*right.values(), *wrong.values()]).all()


def test_wrong_phones_have_to_be_replaced_and_the_text_costs_likelihood():
    right = evidence(["B", "IY", "T"], ["B", "IY", "T"])
    alike = evidence(["B", "IY", "T"], ["B", "IH", "T"])
    wrong = evidence(["B", "IY", "T"], ["S", "AO", "N"])
    assert right["text_loss_by_phone"] == pytest.approx(0, abs=1e-3)
    assert right["text_loss_by_step"] < alike["text_loss_by_step"] < wrong["text_loss_by_step"]
    assert (alike["replaced_alike"], alike["replaced_otherwise"]) == pytest.approx((1 / 3, 0))
    assert (right["words_whole"], wrong["words_whole"], wrong["words_lost"]) == (1, 0, 1)


def test_speech_between_the_words_is_left_over():
    assert evidence(["B"], ["B"], silence_between=1.0)["speech_left_over"] == 0
    assert evidence(["B"], ["B"], silence_between=0.0)["speech_left_over"] == pytest.approx(1 / 5)


def test_a_text_of_which_the_end_was_not_said_is_found_by_that_third():
    said = ["B", "IY", "T"] * 4
    half = evidence(said, said[:6] + ["S", "AO", "N"] * 2)
    assert half["third_hardly_heard"] < half["heard_mean"] - 2
    whole = evidence(said, said)
    assert whole["third_hardly_heard"] == pytest.approx(whole["heard_mean"])


def test_the_regression_that_finds_most_decides():
    values = np.zeros((3, len(NAMES)), np.float32)
    values[:, NAMES.index("heard_mean")] = [0, -1.5, 4]
    assert gate(heard_mean=-2.0).mismatch(values) == pytest.approx([-1, 2, -2])


def test_a_regression_is_a_weighted_sum_plus_its_intercept():
    values = np.zeros(len(NAMES), np.float32)
    assert gate(heard_mean=-2.0).mismatch(values) == -1
    values[NAMES.index("heard_mean")] = -1.5
    assert gate(heard_mean=-2.0).mismatch(values) == pytest.approx(2)


def test_one_absurd_measure_cannot_outvote_the_rest():
    values = np.zeros(len(NAMES), np.float32)
    values[0] = 1e9
    assert gate(**{NAMES[0]: 1.0}).mismatch(values) == 3
