from importlib import resources

import numpy as np
import pytest

from speech.errors import DamagedModel
from speech.feedback.thresholds import SEVERITIES
from speech.scores.model import ScoringModel, scoring_model


def test_the_shipped_model_survives_being_written_and_read(tmp_path):
    shipped = scoring_model("kaiwa")
    np.savez_compressed(tmp_path / "again.npz", **shipped.arrays())
    again = ScoringModel.from_file(tmp_path / "again.npz")
    assert again.durations == shipped.durations
    assert (again.confidence == shipped.confidence).all()
    assert (again.gate.weights == shipped.gate.weights).all()
    assert (again.stacking.slopes == shipped.stacking.slopes).all()
    assert (again.mistakes.omitted == shipped.mistakes.omitted).all()
    smallest = shipped.network.smallest_input()
    ones, others = shipped.network.forward(smallest), again.network.forward(smallest)
    assert others.utterance == pytest.approx(ones.utterance, abs=0.02)


def test_it_is_small():
    with resources.as_file(resources.files("speech") / "models" / "en.npz") as path:
        assert path.stat().st_size <= 2_000_000


@pytest.mark.parametrize(
    "missing",
    [
        "gate.weights",
        "durations",
        "confidence",
        "network.format",
        "stacking.offsets",
        "mistakes.omitted",
    ],
)
def test_a_file_without_all_parts_is_refused(tmp_path, missing):
    arrays = scoring_model("kaiwa").arrays()
    del arrays[missing]
    np.savez(tmp_path / "part.npz", **arrays)
    with pytest.raises(DamagedModel):
        ScoringModel.from_file(tmp_path / "part.npz")


@pytest.mark.parametrize("offsets", [np.zeros(38), np.full(39, np.nan), np.zeros((39, 1))])
def test_a_file_with_a_damaged_part_is_refused(tmp_path, offsets):
    np.savez(
        tmp_path / "part.npz", **scoring_model("kaiwa").arrays() | {"stacking.offsets": offsets}
    )
    with pytest.raises(DamagedModel):
        ScoringModel.from_file(tmp_path / "part.npz")


def test_a_truncated_or_missing_file_is_refused(tmp_path):
    np.savez(tmp_path / "whole.npz", **scoring_model("kaiwa").arrays())
    data = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(data[: len(data) // 2])
    for name in ("half.npz", "none.npz"):
        with pytest.raises(DamagedModel, match=name):
            ScoringModel.from_file(tmp_path / name)


def test_the_version_distinguishes_models(tmp_path):
    shipped = scoring_model("kaiwa")
    other = shipped.arrays() | {"confidence": shipped.confidence + np.float32(0.01)}
    np.savez(tmp_path / "other.npz", **other)
    assert len(shipped.version) == 8
    assert ScoringModel.from_file(tmp_path / "other.npz").version != shipped.version


def test_words_of_every_severity_and_words_that_are_not_named_occur():
    _, shares = scoring_model("kaiwa").confidence
    limits = [0.0, *(limit for limit, _ in SEVERITIES), 1.0]
    assert shares[0] < limits[1]
    assert shares[-1] > limits[-2]
