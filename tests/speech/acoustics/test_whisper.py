import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from speech.acoustics.whisper import WhisperEncoder, state_count, whisper_encoder
from speech.errors import DamagedModel
from tests.speech.conftest import DATA

SHIPPED = resources.files("speech") / "models" / "whisper-tiny.en.npz"
LOADED = """
import sys
import soundfile
from speech.acoustics.whisper import whisper_encoder

waveform, _ = soundfile.read(sys.argv[1], dtype="float32")
encoder = whisper_encoder()
sys.addaudithook(lambda event, arguments: event in ("open", "import") and print(event, arguments))
encoder.states(waveform)
"""


@pytest.fixture
def arrays():
    """The arrays of the shipped file, to be damaged."""
    with resources.as_file(SHIPPED) as path, np.load(path) as archive:
        return dict(archive)


@pytest.fixture
def read(tmp_path):
    """Write arrays to a file and read it."""

    def _read(arrays):
        np.savez(tmp_path / "written.npz", **arrays)
        return WhisperEncoder.from_file(tmp_path / "written.npz")

    return _read


def test_states_are_those_of_openais_code(clip, whisper_states):
    states = whisper_encoder().states(clip("fox"), (2, 3, 4))
    assert list(states) == [2, 3, 4]
    for layer, measured in states.items():
        expected = whisper_states[f"layer_{layer}"]
        off = np.square(measured[::25] - expected).mean() / np.square(expected).mean()
        assert off**0.5 < 1e-3, layer


def test_a_layer_is_the_same_whichever_others_are_wanted(clip):
    encoder, waveform = whisper_encoder(), clip("number")
    several = encoder.states(waveform, (1, 3, 4))
    assert (encoder.states(waveform, [3])[3] == several[3]).all()
    assert (encoder.states(waveform)[4] == several[4]).all()


@pytest.mark.parametrize("gain", [1e-3, 0.1, 1.7])
def test_states_do_not_depend_on_the_level(clip, gain):
    plain = whisper_encoder().states(clip("fox"))[4]
    turned = whisper_encoder().states(clip("fox") * np.float32(gain))[4]
    assert np.abs(turned - plain).max() < 1e-3 * np.abs(plain).max()


def test_the_same_waveform_gives_the_same_states_bit_for_bit(clip):
    encoder = whisper_encoder()
    first = encoder.states(clip("fox"))[4]
    encoder.states(clip("number"))
    assert (encoder.states(clip("fox"))[4] == first).all()


@pytest.mark.parametrize(
    ("samples", "count"),
    [(1, 1), (399, 1), (400, 1), (479, 1), (480, 2), (6_399, 20), (6_400, 20), (6_401, 20)],
)
def test_each_20_ms_have_a_state(clip, samples, count):
    states = whisper_encoder().states(clip("fox")[20_000 : 20_000 + samples])[4]
    assert states.shape == (count, 384) == (state_count(samples), 384)
    assert states.dtype == np.float32
    assert np.isfinite(states).all()


def test_more_than_30_seconds_are_refused():
    with pytest.raises(ValueError, match=r"30\.1 s are too long to encode: split them"):
        whisper_encoder().states(np.zeros(481_600, np.float32))


def test_30_seconds_take_little_memory(clip):
    script = (
        "import resource, numpy; from speech.acoustics.whisper import whisper_encoder\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "encoder = whisper_encoder(); before = peak()\n"
        "states = encoder.states(numpy.random.default_rng(0).normal(0, .1, 480_000).astype('f'))\n"
        "assert states[4].shape == (1_500, 384)\n"
        "print(peak() - before)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert float(ended.stdout) < 60


def test_nothing_is_opened_or_imported_once_it_is_loaded():
    command = [sys.executable, "-c", LOADED, str(DATA / "fox.flac")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == ""


def test_the_upper_layers_may_be_missing(arrays, read, clip):
    lower = {name: array for name, array in arrays.items() if not name.startswith("layers.4.")}
    del lower["after.weight"], lower["after.bias"]
    encoder = read(lower | {"depth": np.array(3)})
    assert encoder.depth == 3
    expected = whisper_encoder().states(clip("fox"), [3])[3]
    assert (encoder.states(clip("fox"), [3])[3] == expected).all()


@pytest.mark.parametrize("missing", ["depth", "conv1.bias", "layers.2.mix.weight", "after.bias"])
def test_a_file_without_all_parts_is_refused(arrays, read, missing):
    del arrays[missing]
    with pytest.raises(DamagedModel, match=r"written\.npz"):
        read(arrays)


@pytest.mark.parametrize(
    "damage",
    [
        {"conv2.bias": np.full(384, np.nan)},
        {"layers.3.widen.weight": np.zeros((384, 7))},
        {"depth": np.array(5)},
        {"depth": np.array(0)},
        {"depth": np.array([4, 4])},
    ],
    ids=str,
)
def test_a_file_with_a_damaged_part_is_refused(arrays, read, damage):
    with pytest.raises(DamagedModel):
        read(arrays | damage)


def test_a_truncated_or_missing_file_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "whole.npz", **arrays)
    data = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(data[: len(data) // 2])
    for name in ("half.npz", "none.npz"):
        with pytest.raises(DamagedModel, match=name):
            WhisperEncoder.from_file(tmp_path / name)


def test_a_flipped_bit_is_noticed(arrays, tmp_path):
    np.savez(tmp_path / "flipped.npz", **arrays)
    data = bytearray((tmp_path / "flipped.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.npz").write_bytes(data)
    with pytest.raises(DamagedModel):
        WhisperEncoder.from_file(tmp_path / "flipped.npz")
