"""What the demo uploads decodes back to what was said."""

import io

import numpy as np
import pytest
import soundfile

from local.demo.recordings import (
    ENCODINGS,
    FLAC,
    G711_ALAW,
    G711_ULAW,
    RAW_PCM16,
    encode,
)

RATE_HZ = 22_050
SECONDS = 1.5


@pytest.fixture(scope="module")
def tone():
    """A swelling 440 Hz tone, well inside every encoding's band."""
    time = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * 440 * time) * np.hanning(len(time))).astype(np.float32)


def decode(data, encoding):
    """Decode with libsndfile alone, told only what the app's columns say."""
    if encoding.container != "RAW":
        return soundfile.read(io.BytesIO(data))
    return soundfile.read(
        io.BytesIO(data),
        samplerate=encoding.sample_rate_hz,
        channels=encoding.channels,
        format="RAW",
        subtype=encoding.subtype,
        endian="LITTLE",
    )


@pytest.mark.parametrize(
    "encoding", ENCODINGS, ids=lambda e: f"{e.audio_format}-{e.sample_rate_hz}-{e.channels}"
)
def test_every_encoding_keeps_the_tone(encoding, tone):
    samples, rate_hz = decode(encode(tone, RATE_HZ, encoding), encoding)
    assert rate_hz == encoding.sample_rate_hz
    assert (1 if samples.ndim == 1 else samples.shape[1]) == encoding.channels
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    assert len(mono) / rate_hz == pytest.approx(SECONDS, abs=0.15)  # mp3 pads its frames
    spectrum = np.abs(np.fft.rfft(mono))
    assert np.argmax(spectrum) * rate_hz / len(mono) == pytest.approx(440, abs=2)
    assert np.abs(mono).max() == pytest.approx(0.5, rel=0.1)


def test_raw_pcm_is_the_bare_samples(tone):
    data = encode(tone, RATE_HZ, RAW_PCM16)
    samples = np.frombuffer(data, "<i2") / 32768
    assert RAW_PCM16.extension == "wav"
    assert not data.startswith(b"RIFF")
    assert len(samples) == round(SECONDS * 24_000)
    assert np.abs(samples).max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("encoding", [G711_ULAW, G711_ALAW])
def test_g711_takes_one_byte_a_sample(encoding, tone):
    assert len(encode(tone, RATE_HZ, encoding)) == round(SECONDS * 8_000)


def test_lossless_encodings_lose_nothing_but_rounding():
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 16_000).astype(np.float32)
    samples, _ = decode(encode(noise, 16_000, FLAC), FLAC)
    np.testing.assert_allclose(samples, noise, atol=2 / 32768)


def test_what_is_too_loud_is_clipped_and_does_not_wrap_around():
    loud = np.full(2_400, 3.0, np.float32)
    samples = np.frombuffer(encode(loud, 24_000, RAW_PCM16), "<i2")
    assert samples.min() > 32_000
