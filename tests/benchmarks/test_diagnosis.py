import numpy as np
import pytest

from benchmarks.diagnosis import diagnosis
from benchmarks.expert_agreement import Comparison


def compared(*phones, faulty_below=40.0):
    return Comparison(
        speaker="0001",
        means={"phone": np.array(phones, float)},
        medians={},
        intervals={},
        faulty_below=faulty_below,
    )


def test_a_phone_is_mispronounced_below_half_a_point():
    found = diagnosis([compared((30, 0.4), (30, 0.5), (50, 0.4), (90, 2.0))])
    assert found["diagnosis_precision"] == 0.5  # the first, and wrongly the second
    assert found["diagnosis_recall"] == 0.5  # not the third
    assert found["diagnosis_f1"] == 0.5


def test_each_recording_is_judged_by_the_limit_of_its_own_model():
    found = diagnosis([compared((30, 0)), compared((30, 2), faulty_below=20.0)])
    assert found["diagnosis_f1"] == 1.0


def test_the_error_is_on_the_experts_scale():
    assert diagnosis([compared((50, 2.0), (100, 2.0))])["phone_mse"] == 0.5


def test_what_is_undefined_is_left_open():
    found = diagnosis([compared((90, 2.0))])
    assert found["phone_mse"] == pytest.approx(0.04)
    assert (
        found["diagnosis_f1"] is found["diagnosis_precision"] is found["diagnosis_recall"] is None
    )
    assert set(diagnosis([]).values()) == {None}
