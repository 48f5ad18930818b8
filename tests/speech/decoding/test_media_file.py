"""Recordings of browsers and phones are decoded, and keep their times."""

import io
import re
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import soundfile

from speech import waveform
from speech.decoding import media_file
from speech.errors import AudioTooLong, DecoderMissing, UndecodableAudio
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from tests.support.media import FRAGMENTED, media

UNDER_WAV = AudioEncoding("wav", 24_000, 1)
SECONDS, ONSET = 2.37, 0.5

# Container, codec, sample rate, options of the muxer, bit rate.
BROWSERS = {
    "Chrome's WebM": ("webm", "libopus", 48_000, {}, None),
    "Chrome's live WebM": ("webm", "libopus", 48_000, {"live": "1"}, None),
    "Matroska with AAC": ("matroska", "aac", 44_100, {}, None),
    "Matroska with PCM": ("matroska", "pcm_s16le", 48_000, {}, None),
    "iOS M4A": ("ipod", "aac", 44_100, {}, None),
    "M4A, lossless": ("ipod", "alac", 44_100, {}, None),
    "MP4 with AAC at 16 kHz": ("mp4", "aac", 16_000, {}, None),
    "MP4 with Opus": ("mp4", "libopus", 48_000, {}, None),
    "MP4 with FLAC": ("mp4", "flac", 48_000, {}, None),
    "Safari's fragmented MP4": (
        "mp4", "aac", 48_000, {"movflags": "frag_keyframe+delay_moov"}, None,
    ),
    "fragmented MP4 with Opus": ("mp4", "libopus", 48_000, FRAGMENTED, None),
    "QuickTime with PCM": ("mov", "pcm_s16le", 44_100, {}, None),
    "Android's 3GP": ("3gp", "libopencore_amrnb", 8_000, {}, 12_200),
    "3GP with AAC": ("3gp", "aac", 16_000, {}, None),
    "CAF, lossless": ("caf", "alac", 44_100, {}, None),
    "Ogg FLAC": ("ogg", "flac", 16_000, {}, None),
    "AIFF": ("aiff", "pcm_s16be", 44_100, {}, None),
    "W64": ("w64", "pcm_s16le", 24_000, {}, None),
    "AU": ("au", "pcm_s16be", 16_000, {}, None),
    "MP3": ("mp3", "libmp3lame", 44_100, {}, None),
}  # fmt: skip
# Their containers do not state the encoder's delay.
WITH_DELAY = {
    "ADTS": ("adts", "aac", 44_100, {}, None),
    "LOAS": ("latm", "aac", 44_100, {}, None),
    "MPEG transport stream": ("mpegts", "aac", 44_100, {}, None),
    "FLV": ("flv", "aac", 44_100, {}, None),
    "fragmented MP4 without an edit list": ("mp4", "aac", 48_000, FRAGMENTED, None),
    "WMA": ("asf", "wmav2", 44_100, {}, 64_000),
    "AMR": ("amr", "libopencore_amrnb", 8_000, {}, 12_200),
    "AVI": ("avi", "libmp3lame", 44_100, {}, 64_000),
}


def onset_tone(rate_hz, seconds=SECONDS):
    """Return silence up to `ONSET`, then a tone of 440 Hz."""
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.where(at < ONSET, 0, 0.3 * np.sin(2 * np.pi * 440 * at))


def onset_seconds(decoded):
    return np.argmax(np.abs(decoded) > 0.05) / SAMPLE_RATE_HZ


def file(container, codec, rate_hz, options, bit_rate, **how):
    return media(
        onset_tone(rate_hz), rate_hz, container, codec, options=options, bit_rate=bit_rate, **how
    )


@pytest.mark.parametrize("how", BROWSERS.values(), ids=BROWSERS)
def test_a_recording_keeps_its_length_and_the_times_of_its_sounds(how):
    decoded = decode(file(*how), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.006)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.025)
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
    assert np.argmax(spectrum) * SAMPLE_RATE_HZ / len(decoded) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("how", WITH_DELAY.values(), ids=WITH_DELAY)
def test_a_delay_that_is_not_stated_stays_short(how):
    decoded = decode(file(*how), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.05)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("ipod", "alac"),
        ("caf", "alac"),
        ("mov", "pcm_s16le"),
        ("ogg", "flac"),
        ("matroska", "flac"),
    ],
)
def test_a_lossless_recording_keeps_every_sample(container, codec):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 30_011) / 32_768
    decoded = decode(media(samples, SAMPLE_RATE_HZ, container, codec), UNDER_WAV)
    assert len(decoded) == len(samples)
    np.testing.assert_allclose(decoded, samples, atol=1e-4)


@pytest.mark.parametrize("start", [1, 2, 4, 10, 60])
@pytest.mark.parametrize(
    "how",
    [
        ("webm", "libopus", 48_000, {}, None),
        ("matroska", "libopus", 48_000, {}, None),
        ("matroska", "aac", 44_100, {}, None),
        ("matroska", "pcm_s16le", 48_000, {}, None),
        ("ipod", "aac", 44_100, {}, None),
        ("mp4", "aac", 48_000, FRAGMENTED, None),
        ("mpegts", "aac", 44_100, {}, None),
        ("flv", "aac", 44_100, {}, None),
        ("asf", "wmav2", 44_100, {}, 64_000),
    ],
    ids=lambda how: f"{how[0]} with {how[1]}",
)
def test_timestamps_that_begin_later_change_nothing(how, start, caplog):
    decoded = decode(file(*how, start=start), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.05)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.05)
    assert not caplog.text


def test_a_truncated_file_whose_timestamps_begin_later_is_reported_in_its_own_samples(caplog):
    data = file("webm", "libopus", 48_000, {}, None, start=4)
    decoded = decode(data[: int(len(data) * 0.7)], UNDER_WAV)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS * 0.7, rel=0.25)
    stated = int(re.search(r"of (\d+) samples present", caplog.text)[1])
    assert stated / 48_000 == pytest.approx(SECONDS, abs=0.02)


@pytest.mark.parametrize("container", ["mpeg", "vob", "wav", "matroska", "avi", "asf", "mpegts"])
def test_layer_2_is_read_in_every_container(container):
    decoded = decode(file(container, "mp2", 44_100, {}, 128_000), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.05)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.06)


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [
        *(("ac3", "ac3", rate_hz) for rate_hz in (32_000, 44_100, 48_000)),
        *(("eac3", "eac3", rate_hz) for rate_hz in (32_000, 44_100, 48_000)),
        ("sox", "pcm_s32le", 16_000),
        ("sox", "pcm_s32be", 16_000),
        ("nut", "pcm_s16le", 16_000),
        ("nut", "aac", 44_100),
        ("ircam", "pcm_s16le", 16_000),
    ],
)
@pytest.mark.parametrize("declared", [UNDER_WAV, AudioEncoding()])
def test_rarer_formats_are_not_taken_for_samples(container, codec, rate_hz, declared):
    decoded = decode(file(container, codec, rate_hz, {}, None), declared)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.05)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.06)


def test_packets_with_timestamps_in_front_are_a_transport_stream():
    data = file("mpegts", "aac", 44_100, {"mpegts_m2ts_mode": "1"}, None)
    assert data[4] == data[196] == 0x47
    assert onset_seconds(decode(data, UNDER_WAV)) == pytest.approx(ONSET, abs=0.05)


def test_channels_stay_apart_until_one_is_chosen():
    left = onset_tone(48_000)
    data = media(np.stack([left, 0 * left]), 48_000, "mp4", "aac", layout="stereo")
    assert np.abs(decode(data, UNDER_WAV)[SAMPLE_RATE_HZ:]).max() == pytest.approx(0.3, abs=0.02)


def test_six_channels_are_read():
    left = onset_tone(48_000)
    data = media(np.stack([left] * 6), 48_000, "matroska", "pcm_s16le", layout="5.1")
    assert np.abs(decode(data, UNDER_WAV)).max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("container", "video"), [("webm", "libvpx"), ("mp4", "mpeg4")])
def test_the_sound_of_a_video_is_read(container, video):
    codec = "libopus" if container == "webm" else "aac"
    decoded = decode(file(container, codec, 48_000, {}, None, video=video), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.01)


def test_sound_that_begins_after_the_picture_keeps_its_place_in_the_video():
    data = file("mp4", "aac", 48_000, {}, None, video="mpeg4", video_first=0.8)
    assert onset_seconds(decode(data, UNDER_WAV)) == pytest.approx(0.8 + ONSET, abs=0.03)


@pytest.mark.parametrize(("container", "video"), [("webm", "libvpx"), ("mp4", "mpeg4")])
def test_a_video_without_sound_is_refused_as_such(container, video):
    data = media(onset_tone(8_000), 8_000, container, None, video=video)
    with pytest.raises(UndecodableAudio, match="without sound"):
        decode(data, UNDER_WAV)


def test_of_two_tracks_the_first_is_read():
    decoded = decode(file("matroska", "libopus", 48_000, {}, None, tracks=2), UNDER_WAV)
    assert onset_seconds(decoded) == pytest.approx(ONSET, abs=0.006)
    assert np.abs(decoded).max() > 0.2


def test_a_gap_between_timestamps_becomes_silence():
    gap = (48_000, 24_000)  # after a second, half a second long
    decoded = decode(file("webm", "libopus", 48_000, {}, None, gap=gap), UNDER_WAV)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS + 0.5, abs=0.03)
    silent = decoded[int(1.1 * SAMPLE_RATE_HZ) : int(1.4 * SAMPLE_RATE_HZ)]
    assert np.abs(silent).max() < 0.01
    assert np.abs(decoded[int(1.6 * SAMPLE_RATE_HZ) :]).max() > 0.2


def test_a_clock_that_jumps_by_hours_is_not_a_pause():
    gap = (48_000, 48_000 * 7_200)
    decoded = decode(file("matroska", "libopus", 48_000, {}, None, gap=gap), UNDER_WAV)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS, abs=0.03)


def test_a_sample_rate_that_changes_midway_keeps_the_pitch():
    # An ADTS frame states its own rate, as when a headset replaces the microphone.
    data = media(onset_tone(48_000), 48_000, "adts", "aac")
    data += media(onset_tone(16_000), 16_000, "adts", "aac")
    decoded = decode(data, UNDER_WAV)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(2 * SECONDS, abs=0.2)
    end = decoded[-SAMPLE_RATE_HZ:]
    spectrum = np.abs(np.fft.rfft(end * np.hanning(len(end))))
    assert np.argmax(spectrum) == pytest.approx(440, abs=3)


def index_first(data):
    """Move the index of an MP4 file before its samples, as for streaming."""
    at = data.rindex(b"moov") - 4
    index, samples_at = bytearray(data[at:]), data.index(b"mdat") - 4
    table = index.index(b"stco") + 8
    for entry in range(int.from_bytes(index[table : table + 4], "big")):
        where = slice(table + 4 + 4 * entry, table + 8 + 4 * entry)
        offset = int.from_bytes(index[where], "big") + len(index)
        index[where] = offset.to_bytes(4, "big")
    return data[:samples_at] + bytes(index) + data[samples_at:at]


def webm():
    return file(*BROWSERS["Chrome's WebM"])


def mp4():
    return index_first(file(*BROWSERS["iOS M4A"]))


@pytest.mark.parametrize("share", [0.6, 0.9])
@pytest.mark.parametrize("recorded", [webm, mp4])
def test_a_truncated_file_is_decoded_as_far_as_it_goes(recorded, share):
    data = recorded()
    decoded = decode(data[: int(len(data) * share)], UNDER_WAV)
    assert len(decoded) / SAMPLE_RATE_HZ == pytest.approx(SECONDS * share, rel=0.25)


def test_a_file_with_a_fifth_of_its_sound_is_refused():
    data = mp4()
    with pytest.raises(UndecodableAudio, match="samples are present"):
        decode(data[: len(data) // 5], UNDER_WAV)


@pytest.mark.parametrize(
    ("signature", "title"),
    [
        (b"OggS", "an Ogg file"),
        (b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
        (b"0000ftypM4A ", "an MP4 file"),
    ],
)
def test_a_signature_alone_is_no_recording(signature, title):
    pytest.importorskip("av")
    with pytest.raises(UndecodableAudio, match=f"it is {title}|no samples"):
        decode(signature + bytes(100), UNDER_WAV)


def test_an_mp4_without_its_index_is_incomplete():
    data = file(*BROWSERS["iOS M4A"])
    with pytest.raises(UndecodableAudio, match="an MP4 file, but damaged or incomplete"):
        decode(data[: data.rindex(b"moov") - 4], UNDER_WAV)


def test_a_long_recording_is_stopped_at_the_limit(monkeypatch):
    monkeypatch.setattr(waveform, "MAX_SECONDS", 2)
    with pytest.raises(AudioTooLong):
        decode(file(*BROWSERS["Chrome's WebM"]), UNDER_WAV)


def test_a_complete_recording_is_not_called_truncated(caplog):
    for how in (*BROWSERS.values(), *WITH_DELAY.values()):
        decode(file(*how), UNDER_WAV)
    assert not caplog.text


def test_without_the_extra_a_browsers_recording_says_what_to_install(monkeypatch):
    data = file(*BROWSERS["Chrome's WebM"])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DecoderMissing, match=r"a WebM or Matroska file.*kaiwa-audio\[codecs\]"):
        decode(data, UNDER_WAV)


def test_without_the_extra_everything_else_is_decoded(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for how in ("AIFF", "W64", "AU", "MP3"):
        assert len(decode(file_of_core(how), UNDER_WAV))


def file_of_core(name):
    sound = io.BytesIO()
    soundfile.write(sound, onset_tone(16_000), 16_000, format=name)
    return sound.getvalue()


def test_ffmpeg_is_imported_only_when_a_file_needs_it():
    code = (
        "import sys, speech.waveform as w; "
        "w.decode(bytes(48_000), w.AudioEncoding('pcm16')); print('av' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(
    "how", [*BROWSERS.values(), *WITH_DELAY.values()], ids=[*BROWSERS, *WITH_DELAY]
)
def test_a_damaged_file_ends_in_samples_or_in_an_error_of_ours(how, capfd):
    data, rng = file(*how), np.random.default_rng(0)
    for _ in range(15):
        damaged = bytearray(data)
        start = int(rng.integers(len(damaged)))
        damaged[start : start + 100] = rng.bytes(len(damaged[start : start + 100]))
        del damaged[int(rng.integers(1, len(damaged))) :]
        with suppress(UndecodableAudio):
            assert np.isfinite(decode(bytes(damaged), UNDER_WAV)).all()
    assert capfd.readouterr().err == ""


def test_only_decoders_of_sound_may_be_opened():
    av = pytest.importorskip("av")
    assert {av.codec.Codec(name, "r").type for name in media_file._DECODERS} == {"audio"}
