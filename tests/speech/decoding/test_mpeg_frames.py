"""MP3 files are recognised and read to their end, whatever their header states."""

import io
from contextlib import suppress

import numpy as np
import pytest
import soundfile

from speech.decoding.mpeg_frames import counted_mp3, id3_length, is_adts, is_loas, is_mp3
from speech.errors import UndecodableAudio
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

UNKNOWN = AudioEncoding()
RATES_HZ = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
SECONDS = 6.3
DELAY_SECONDS = 0.2  # of encoder and decoder, at 8 kHz


def uneven(rate_hz, channels=1):
    """Return silence with a burst of noise and a tone at the end: its bit rate varies widely."""
    at = np.arange(int(rate_hz * SECONDS)) / rate_hz
    noise = np.random.default_rng(0).normal(0, 0.3, len(at))
    samples = noise * ((at > 1) & (at < 1.5)) + 0.3 * np.sin(2_000 * at) * (at > SECONDS - 0.5)
    return np.tile(samples[:, None], channels)


def mp3(rate_hz=24_000, channels=1, mode="VARIABLE"):
    file = io.BytesIO()
    soundfile.write(file, uneven(rate_hz, channels), rate_hz, format="MP3", bitrate_mode=mode)
    return file.getvalue()


def without_count(data):
    """Return an MP3 file without its first frame, which states the number of frames."""
    at = data.index(b"\xff", 4)
    while not is_mp3(data[at:]):
        at = data.index(b"\xff", at + 1)
    return data[at:]


def seconds(data):
    return len(decode(data, UNKNOWN)) / SAMPLE_RATE_HZ


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_that_states_no_length_is_read_to_its_end(rate_hz, mode, channels, caplog):
    decoded = decode(without_count(mp3(rate_hz, channels, mode)), UNKNOWN)
    assert SECONDS <= len(decoded) / SAMPLE_RATE_HZ <= SECONDS + DELAY_SECONDS
    assert np.abs(decoded[-SAMPLE_RATE_HZ // 2 :]).max() > 0.2
    assert not caplog.text


def test_the_delay_of_the_encoder_is_cut_off_where_it_is_stated():
    assert seconds(mp3()) == pytest.approx(SECONDS, abs=0.001)


def test_files_that_were_joined_are_read_to_the_end_of_the_last():
    assert seconds(mp3() + mp3()) == pytest.approx(2 * SECONDS, abs=0.2)


@pytest.mark.parametrize(
    ("front", "back"),
    [
        (b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128), b""),
        (b"", b"TAG" + bytes(125)),
        (bytes(1_000) + b"junk", b""),
        (b"", bytes(5_000)),
    ],
    ids=["ID3v2", "ID3v1", "junk in front", "zeros behind"],
)
def test_tags_and_junk_are_left_out(front, back, capfd):
    plain = without_count(mp3())
    np.testing.assert_array_equal(decode(front + plain + back, UNKNOWN), decode(plain, UNKNOWN))
    assert capfd.readouterr().err == ""


def test_a_count_that_is_too_small_does_not_cut_the_recording():
    data = bytearray(mp3())
    at = data.index(b"Xing") + 8
    data[at : at + 4] = (10).to_bytes(4, "big")
    assert seconds(bytes(data)) == pytest.approx(SECONDS, abs=0.2)


def test_a_third_of_a_file_that_states_its_length_is_refused():
    data = mp3(mode="CONSTANT")
    with pytest.raises(UndecodableAudio, match="samples are present"):
        decode(data[: len(data) // 3], UNKNOWN)


def test_a_damaged_file_writes_nothing_to_stderr(capfd):
    data, rng = mp3(), np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(data)
        start = int(rng.integers(len(damaged)))
        damaged[start : start + 300] = rng.bytes(len(damaged[start : start + 300]))
        with suppress(UndecodableAudio):
            decode(bytes(damaged), UNKNOWN)
    assert capfd.readouterr().err == ""


def test_junk_without_frames_is_no_mp3():
    assert counted_mp3(b"\xff\xfb\x90\x00" + bytes(5_000)) == (b"", False)


def test_an_id3_tag_has_the_length_it_states():
    assert id3_length(b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(300)) == 10 + 257
    assert id3_length(b"ID3\x04\x00\x00\xff\x00\x00\x00") == 0


def test_samples_are_no_frames():
    noise = np.random.default_rng(0).normal(0, 3_000, 200_000).astype("<i2").tobytes()
    assert not is_mp3(noise)
    assert not is_adts(noise)
    assert not is_loas(noise)
