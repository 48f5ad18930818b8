import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech import waveform
from speech.errors import AudioTooLong, SpeechError, UndecodableAudio
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

UNKNOWN = AudioEncoding()
FORMATS = ["pcm16", "g711_ulaw", "g711_alaw", "wav", "mp3", "flac", "webm", "", None]


def encoded(samples, rate_hz, **how):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **how)
    return file.getvalue()


def assert_is_tone(decoded, seconds=1.0, rel=0.1):
    assert decoded.dtype == np.float32
    assert decoded.ndim == 1
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(seconds, rel=rel)
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
    assert np.argmax(spectrum) * SAMPLE_RATE_HZ / len(decoded) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "how",
    [
        {"format": "WAV", "subtype": "PCM_16"},
        {"format": "WAV", "subtype": "PCM_U8"},
        {"format": "WAV", "subtype": "FLOAT"},
        {"format": "WAV", "subtype": "ULAW"},
        {"format": "FLAC"},
        {"format": "MP3"},
        {"format": "OGG", "subtype": "VORBIS"},
    ],
    ids=lambda how: "-".join(how.values()),
)
def test_every_container_comes_out_as_the_same_tone(tone, rate_hz, channels, how):
    data = encoded(tone(rate_hz, channels=channels), rate_hz, **how)
    assert_is_tone(decode(data, UNKNOWN))


def test_headerless_pcm_is_24_khz_mono_unless_declared_otherwise(tone):
    def pcm(rate_hz, channels=1):
        return (tone(rate_hz, channels=channels) * 32767).astype("<i2").tobytes()

    assert_is_tone(decode(pcm(24_000), UNKNOWN))
    assert_is_tone(decode(pcm(24_000), AudioEncoding("pcm16", 24_000, 1)))
    assert_is_tone(decode(pcm(48_000), AudioEncoding("pcm16", 48_000, 1)))
    assert_is_tone(decode(pcm(16_000, 2), AudioEncoding("pcm16", 16_000, 2)))


def test_headerless_pcm_under_a_wav_name_is_still_pcm(tone):
    pcm = (tone(24_000) * 32767).astype("<i2").tobytes()
    assert_is_tone(decode(pcm, AudioEncoding("wav", 24_000, 1)))


@pytest.mark.parametrize(("name", "subtype"), [("g711_ulaw", "ULAW"), ("g711_alaw", "ALAW")])
def test_headerless_g711_is_8_khz(tone, name, subtype):
    data = encoded(tone(8_000), 8_000, format="RAW", subtype=subtype)
    assert_is_tone(decode(data, AudioEncoding(name, None, None)))


@pytest.mark.parametrize("declared", ["pcm16", "g711_ulaw", "mp3", "nonsense"])
def test_the_bytes_win_over_a_wrong_declaration(tone, declared):
    data = encoded(tone(44_100, channels=2), 44_100, format="FLAC")
    assert_is_tone(decode(data, AudioEncoding(declared, 8_000, 1)))


def test_a_stray_byte_at_the_end_of_pcm_is_dropped(tone):
    pcm = (tone(24_000) * 32767).astype("<i2").tobytes()
    assert_is_tone(decode(pcm + b"\x7f", UNKNOWN))


def test_pcm_that_begins_like_an_mpeg_frame_is_pcm(tone):
    pcm = (tone(24_000) * 32767).astype("<i2")
    pcm[0] = np.int16(-1025)  # bytes FF FB
    assert pcm.tobytes()[:2] == b"\xff\xfb"
    assert_is_tone(decode(pcm.tobytes(), UNKNOWN))


def test_mp3_behind_an_id3_tag_is_mp3(tone):
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 1, 0]) + bytes(128)
    assert_is_tone(decode(tag + encoded(tone(24_000), 24_000, format="MP3"), UNKNOWN))


def test_a_channel_without_sound_takes_nothing_from_the_other(tone):
    left_only = tone(16_000, channels=2) * [1, 0]
    mono = decode(encoded(left_only, 16_000, format="WAV", subtype="FLOAT"), UNKNOWN)
    assert np.abs(mono).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("how", [{"format": "WAV"}, {"format": "FLAC"}, {"format": "MP3"}], ids=str)
def test_a_file_with_most_of_its_bytes_is_decoded_as_far_as_it_goes(tone, how):
    data = encoded(tone(16_000, seconds=4.0), 16_000, **how)
    assert_is_tone(decode(data[: len(data) * 8 // 10], UNKNOWN), seconds=3.2, rel=0.2)


@pytest.mark.parametrize("how", [{"format": "WAV"}, {"format": "FLAC"}], ids=str)
def test_a_file_with_few_of_its_bytes_is_refused(tone, how):
    data = encoded(tone(16_000, seconds=4.0), 16_000, **how)
    with pytest.raises(UndecodableAudio):
        decode(data[: len(data) * 3 // 10], UNKNOWN)


def test_a_cut_file_is_reported_in_numbers(tone, caplog):
    data = encoded(tone(16_000), 16_000, format="WAV")
    decode(data[: len(data) * 8 // 10], UNKNOWN)
    assert "truncated" in caplog.text


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_streamed_wav_that_left_its_length_open_is_whole(tone, size):
    data = bytearray(encoded(tone(16_000), 16_000, format="WAV"))
    data[4:8] = struct.pack("<I", size)
    data[40:44] = struct.pack("<I", size or 0xFFFFFFFF)
    assert_is_tone(decode(bytes(data), UNKNOWN))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", UNKNOWN),
        (b"\x01", UNKNOWN),
        (b"RIFF", UNKNOWN),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", UNKNOWN),
        (b"fLaC" + bytes(100), UNKNOWN),
        (b"<html>not audio</html>", AudioEncoding("mp3")),
        (bytes(100), AudioEncoding("pcm16", 0, 1)),
        (bytes(100), AudioEncoding("pcm16", 24_000, 0)),
        (bytes(100), AudioEncoding("pcm16", -5, 1)),
        (bytes(100), AudioEncoding("pcm16", 24_000, 4_000)),
    ],
)
def test_bytes_that_are_not_audio_are_undecodable(data, encoding):
    with pytest.raises(UndecodableAudio):
        decode(data, encoding)


def test_a_file_without_samples_is_undecodable():
    with pytest.raises(UndecodableAudio, match="no samples"):
        decode(encoded(np.empty(0), 16_000, format="WAV"), UNKNOWN)


def test_a_few_samples_that_are_no_numbers_become_silence(tone):
    samples = tone(16_000)[:, 0]
    samples[100:110] = np.nan, np.inf, -np.inf, np.nan, np.nan, 1e30, -1e30, np.nan, 0, np.inf
    decoded = decode(encoded(samples, 16_000, format="WAV", subtype="FLOAT"), UNKNOWN)
    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1


def test_many_samples_that_are_no_numbers_are_refused(tone):
    samples = tone(16_000)[:, 0]
    samples[::10] = np.nan
    with pytest.raises(UndecodableAudio, match="not numbers"):
        decode(encoded(samples, 16_000, format="WAV", subtype="FLOAT"), UNKNOWN)


def test_half_an_hour_is_too_long():
    half_an_hour = bytes(2 * 8_000 * 1_800)
    with pytest.raises(AudioTooLong):
        decode(half_an_hour, AudioEncoding("pcm16", 8_000, 1))


def test_a_small_file_that_unpacks_to_hours_is_stopped_early(monkeypatch):
    bomb = encoded(np.zeros(16_000 * 3_000, np.int16), 16_000, format="FLAC")
    assert len(bomb) < 400_000
    read = []
    original = soundfile.SoundFile.buffer_read_into
    monkeypatch.setattr(
        soundfile.SoundFile,
        "buffer_read_into",
        lambda sound, block, **how: read.append(len(block)) or original(sound, block, **how),
    )
    with pytest.raises(AudioTooLong):
        decode(bomb, UNKNOWN)
    assert 0 < sum(read) < 16_000 * (waveform.MAX_SECONDS + 10)


def test_huge_files_are_refused_unread(monkeypatch):
    monkeypatch.setattr(waveform, "MAX_BYTES", 1_000)
    with pytest.raises(AudioTooLong):
        decode(bytes(1_001), UNKNOWN)


def test_a_long_recording_is_not_shifted_by_decoding_in_blocks(tone):
    click = np.zeros(24_000 * 20)
    click[24_000 * 15] = 1.0
    pcm = (click * 32767).astype("<i2").tobytes()
    assert np.argmax(np.abs(decode(pcm, UNKNOWN))) == pytest.approx(16_000 * 15, abs=1)


@given(
    data=st.binary(max_size=400),
    head=st.sampled_from(
        [b"", b"RIFF", b"RIFF\x10\x00\x00\x00WAVE", b"fLaC", b"OggS", b"ID3", b"\xff\xfb\x90\x00"]
    ),
    format=st.sampled_from(FORMATS),
    rate_hz=st.none() | st.integers(-1, 400_000),
    channels=st.none() | st.integers(-1, 20),
)
def test_no_bytes_raise_anything_but_a_speech_error(data, head, format, rate_hz, channels):
    try:
        decoded = decode(head + data, AudioEncoding(format, rate_hz, channels))
    except SpeechError:
        return
    assert decoded.dtype == np.float32
    assert len(decoded)
    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200))
def test_pcm_at_16_khz_keeps_its_samples(samples):
    pcm = np.array(samples, "<i2").tobytes()
    decoded = decode(pcm, AudioEncoding("pcm16", 16_000, 1))
    np.testing.assert_allclose(decoded * 32_768, samples, atol=0.01)


@given(flip=st.integers(0, 5_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_crashes(flip, bit):
    wave = 0.5 * np.sin(np.arange(8_000) / 6)
    for how in ({"format": "FLAC"}, {"format": "WAV"}, {"format": "MP3"}):
        data = bytearray(encoded(wave, 16_000, **how))
        data[flip % len(data)] ^= 1 << bit
        try:
            decoded = decode(bytes(data), UNKNOWN)
        except SpeechError:
            continue
        assert np.isfinite(decoded).all()
