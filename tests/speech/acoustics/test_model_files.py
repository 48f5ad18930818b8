import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from speech import pocketsphinx_wheel
from speech.acoustics.model_files import acoustic_model, read_model
from speech.errors import EngineFailure
from speech.pocketsphinx_wheel import wheel_path
from speech.text.phones import IPA

FILES = ["mdef", "means", "variances", "transition_matrices", "sendump"]


@pytest.fixture
def folder(tmp_path):
    """A copy of the wheel's model, to be damaged."""
    return Path(shutil.copytree(wheel_path("en-us"), tmp_path / "en-us"))


def test_the_model_has_the_phones_of_the_dictionary():
    assert set(acoustic_model().phones) == {*IPA, "SIL", "+NSN+", "+SPN+"}
    assert list(acoustic_model().phones) == sorted(acoustic_model().phones)


def test_every_array_has_its_shape_and_numbers():
    model = acoustic_model()
    assert model.transitions.shape == (42, 3, 4)
    assert model.densities.shape == (42, 3, 128, 27)
    assert model.weights.shape == (5_126, 3, 128)
    assert model.triphones.codebooks.shape == (5_126,)
    for values in (model.densities, model.weights):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_states_lead_to_themselves_the_next_or_out():
    chances = np.exp(acoustic_model().transitions)
    assert chances.sum(axis=2) == pytest.approx(np.ones((42, 3)))
    assert (np.triu(chances) - np.triu(chances, 2) == chances).all()


def test_weights_of_a_senone_nearly_sum_to_one():
    sums = acoustic_model().weights.sum(axis=2)
    assert np.quantile(sums, [0.01, 0.99]) == pytest.approx([0.95, 0.95], abs=0.03)


def test_a_phone_has_other_senones_between_other_neighbours():
    model = acoustic_model()
    bat, cat = model.senones("AE", "B", "T", "i"), model.senones("AE", "K", "T", "i")
    assert bat != cat
    assert {model.phones[model.triphones.codebooks[senone]] for senone in bat + cat} == {"AE"}
    assert model.senones("SIL", "B", "T", "s") == (96, 97, 98)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.9999])
def test_a_file_that_is_cut_off_is_named(folder, name, share):
    data = (folder / name).read_bytes()
    # Some files end with a checksum, which is not read.
    (folder / name).write_bytes(data[: int(share * (len(data) - 4))])
    with pytest.raises(EngineFailure, match=f"file {name} cannot be used"):
        read_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(EngineFailure, match=f"{name} cannot be used: it cannot be read"):
        read_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_another_file_in_its_place_is_named(folder, name):
    shutil.copy(folder / "noisedict", folder / name)
    with pytest.raises(EngineFailure, match=f"{name} cannot be used"):
        read_model(folder)


def test_a_file_of_another_shape_is_named(folder):
    shutil.copy(folder / "transition_matrices", folder / "means")
    with pytest.raises(EngineFailure, match="means cannot be used: its shape is wrong"):
        read_model(folder)


def test_a_mean_that_is_no_number_is_named(folder):
    data = bytearray((folder / "means").read_bytes())
    data[-8:-4] = np.float32(np.nan).tobytes()
    (folder / "means").write_bytes(data)
    with pytest.raises(EngineFailure, match="means cannot be used: it contains values"):
        read_model(folder)


def test_a_file_too_large_is_not_read(folder):
    with (folder / "sendump").open("r+b") as file:
        file.truncate(2**30)
    with pytest.raises(EngineFailure, match="sendump cannot be used: it is too large"):
        read_model(folder)


def test_a_missing_wheel_is_named(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(pocketsphinx_wheel, "distribution", missing)
    acoustic_model.cache_clear()
    with pytest.raises(EngineFailure, match="pocketsphinx is not installed"):
        acoustic_model()
