"""Bytes that cannot be samples are refused; no recording is."""

import bz2
import io
import json
import lzma
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from speech.decoding.headerless import why_not_samples
from speech.errors import UndecodableAudio
from speech.waveform import AudioEncoding, decode

CLIPS = Path(__file__).parents[1] / "data"
RATE_HZ = 16_000


def pcm(samples):
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def g711(samples, subtype):
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), 8_000, format="RAW", subtype=subtype)
    return file.getvalue()


def variants(speech, rng):
    """Yield a recording as learners make it: too quiet, too loud, noisy, clipped, at all rates."""
    loud = speech / np.abs(speech).max()
    hiss = rng.normal(size=len(speech))
    breath = np.convolve(hiss, [1, -0.6], "same") * np.sin(np.arange(len(speech)) / 4_000) ** 2
    for gain in (1, 0.1, 0.01, 0.001, 0.000_1):
        yield f"speech at {gain}", gain * loud
    for gain in (4, 8, 64, 1000):
        yield f"clipped at {gain}", gain * loud
    for level in (0.000_1, 0.001, 0.01, 0.1, 0.2, 0.3, 0.5, 1, 3):
        yield f"with hiss at {level}", loud / 2 + level * hiss
        yield f"hiss alone at {level}", level * hiss
    yield "saturated softly", np.tanh(8 * loud + hiss / 2)
    yield "limited", np.clip(8 * loud + hiss / 2, -0.9, 0.9)
    yield "breath", 0.3 * breath
    yield "offset", 0.1 * loud - 0.3
    yield "silence", np.zeros(RATE_HZ)
    yield "after silence", np.concatenate([np.zeros(len(loud)), loud])
    yield "stereo, one side silent", np.stack([loud, 0 * loud], axis=1).ravel()
    yield "stereo, one side noise", np.stack([loud, 0.2 * hiss], axis=1).ravel()
    for rate_hz in (8_000, 24_000, 48_000):
        yield f"at {rate_hz} Hz", soxr.resample(loud, RATE_HZ, rate_hz)


def refused(speech, rng):
    """Return the variants of a recording that are refused."""
    found = [
        name for name, samples in variants(speech, rng) if why_not_samples(pcm(samples), "PCM_16")
    ]
    narrow = soxr.resample(speech, RATE_HZ, 8_000)
    return found + [
        f"{subtype}: {name}"
        for subtype in ("ULAW", "ALAW")
        for name, samples in variants(narrow, rng)
        if why_not_samples(g711(samples, subtype), subtype)
    ]


@pytest.mark.parametrize("clip", sorted(CLIPS.glob("*.flac")), ids=lambda clip: clip.stem)
def test_no_variant_of_a_recording_is_refused(clip):
    speech, _ = soundfile.read(clip, dtype="float32")
    assert refused(speech, np.random.default_rng(0)) == []


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_no_variant_of_a_learners_recording_is_refused(corpus):
    folder, labels = corpus
    rng = np.random.default_rng(0)
    for label in labels[::5]:  # all of them pass, in a quarter of an hour
        name = label["utterance"]
        speech, _ = soundfile.read(folder / "audio" / f"{name}.flac", dtype="float32")
        assert refused(speech, rng) == [], name


def speech_samples():
    return soundfile.read(CLIPS / "fox.flac", dtype="int16")[0]


def compressed():
    rng = np.random.default_rng(0)
    text = json.dumps([rng.integers(10_000) for _ in range(60_000)], default=int).encode()
    samples = speech_samples().tobytes()
    yield "encrypted", rng.bytes(60_000)
    yield "deflated text", zlib.compress(text)[2:]
    yield "bzip2", bz2.compress(samples)[10:]
    yield "xz", lzma.compress(samples)[10:]
    for container, subtype in (("FLAC", None), ("MP3", None), ("OGG", "OPUS"), ("OGG", "VORBIS")):
        file = io.BytesIO()
        soundfile.write(file, speech_samples(), RATE_HZ, format=container, subtype=subtype)
        yield f"a headless {container} with {subtype}", file.getvalue()[len(file.getvalue()) // 4 :]


@pytest.mark.parametrize(
    "data", [data for _, data in compressed()], ids=[n for n, _ in compressed()]
)
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW"])
def test_compressed_and_encrypted_bytes_are_refused(data, subtype):
    assert "compressed or encrypted" in why_not_samples(data, subtype)


def test_samples_with_swapped_bytes_are_refused():
    swapped = speech_samples().byteswap().tobytes()
    assert why_not_samples(swapped, "PCM_16")
    with pytest.raises(UndecodableAudio):
        decode(swapped, AudioEncoding("wav", RATE_HZ, 1))


@pytest.mark.parametrize("gain", [1, 0.01])
def test_floating_point_samples_are_refused(gain):
    floats = gain * speech_samples().astype("<f4") / 32_768
    assert "floating-point" in why_not_samples(floats.tobytes(), "PCM_16")


def test_samples_that_begin_in_the_middle_of_one_are_refused():
    assert why_not_samples(speech_samples().tobytes()[1:], "PCM_16")


@given(st.binary(max_size=2_000))
def test_too_few_bytes_to_judge_are_samples(data):
    assert why_not_samples(data, "PCM_16") is None
