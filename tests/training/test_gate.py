from dataclasses import replace

import numpy as np

from speech.scores.gate import CERTAIN, NAMES, POSSIBLE
from tests.training.samples import held_out
from training.gate import DETECTORS, PACE, REFUSED, WARNED, fit_gate, validate_gate
from training.mismatches import KINDS


def test_the_gate_refuses_as_many_right_texts_as_it_may_and_finds_the_wrong_ones():
    right, wrong = held_out(4_000), held_out(1_600, shift=0.5, seed=1)
    wrong = replace(wrong, variant=np.arange(1_600) % len(KINDS))
    gate = fit_gate(right, wrong)
    found = gate.mismatch(right.evidence)[right.variant == 0]
    assert 0 < (found > CERTAIN).mean() <= REFUSED
    assert 0.3 * WARNED <= (found > POSSIBLE).mean() <= WARNED
    for kind in range(len(KINDS)):
        assert (gate.mismatch(wrong.evidence[wrong.variant == kind]) > CERTAIN).mean() > 0.5


def test_pace_is_no_evidence_for_partly_said_texts():
    wrong = replace(held_out(900, shift=0.5), variant=np.arange(900) % len(KINDS))
    gate = fit_gate(held_out(1_000), wrong)
    pace = np.tile(np.isin(NAMES, PACE), 2)
    for index, detector in enumerate(DETECTORS):
        assert gate.weights[pace, index].any() != (detector.blind_to == PACE)


def test_speech_clearer_than_any_that_was_learnt_from_is_no_noise():
    wrong = replace(held_out(900, shift=0.5), variant=np.arange(900) % len(KINDS))
    gate = fit_gate(held_out(1_000), wrong)
    noise = next(index for index, detector in enumerate(DETECTORS) if detector.is_linear)
    assert not gate.weights[len(NAMES) :, noise].any()
    assert (gate.terms(gate.mean - 3 * gate.spread) @ gate.weights)[noise] < 0


def test_shares_of_unknown_speakers_are_printed_by_variant_and_by_kind(capsys):
    wrong = replace(held_out(900, shift=0.5, seed=1), variant=np.arange(900) % len(KINDS))
    validate_gate(held_out(1_000), wrong)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(KINDS)
    assert lines[0].startswith("refused ")
    assert lines[-1].endswith(KINDS[-1])
