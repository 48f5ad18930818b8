import numpy as np
import pytest
import soundfile

from speech.acoustics.endpoints import speech_part
from speech.errors import NoSpeech
from speech.validity import require_speech

RATE_HZ = 16_000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(RATE_HZ * seconds)).astype(np.float32)


def rumble(seconds):
    walk = np.cumsum(noise(seconds))
    return (walk - np.convolve(walk, np.ones(800) / 800, "same")).astype(np.float32)


def hum(seconds, hz=50):
    return (0.1 * np.sin(2 * np.pi * hz * np.arange(RATE_HZ * seconds) / RATE_HZ)).astype(
        np.float32
    )


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(16_000, np.float32),
        np.zeros(1, np.float32),
        np.ones(16_000, np.float32),
        noise(0.02),
        noise(1),
        noise(60),
        1e-4 * noise(5),
        np.round(noise(5) * 20) / 32_768,  # the last bit of a silent sound card
        rumble(30),
        hum(5),
        hum(5) + 0.001 * noise(5),
        hum(5, 300),
        np.concatenate([np.zeros(8_000, np.float32), hum(5, 300), np.zeros(8_000, np.float32)]),
        np.repeat(np.eye(1, 8_000, dtype=np.float32)[0], 2),  # a click
    ],
    ids=[
        "silence", "a-sample", "dc", "20ms", "noise", "a-minute-of-noise", "faint-noise",
        "last-bit", "rumble", "hum", "hum-and-noise", "tone", "tone-in-silence", "click",
    ],
)  # fmt: skip
def test_sound_without_a_voice_is_refused(waveform):
    with pytest.raises(NoSpeech):
        require_speech(speech_part(waveform))


@pytest.mark.parametrize("gain", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("name", ["fox", "pauses", "number"])
def test_speech_passes_at_any_loudness(clip, name, gain):
    waveform = clip(name)
    assert (
        require_speech(speech_part(gain * waveform)) == require_speech(speech_part(waveform)) > 1.0
    )


def test_speech_in_a_minute_of_silence_passes(clip):
    silence = np.zeros(30 * RATE_HZ, np.float32)
    waveform = np.concatenate([silence, clip("fox"), silence])
    assert require_speech(speech_part(waveform)) > 1.0


def test_speech_in_noise_passes(clip):
    waveform = clip("fox")
    level = np.sqrt(np.mean(waveform**2)) / 10 / 0.1  # 20 dB below the speech
    assert require_speech(speech_part(waveform + level * noise(10)[: len(waveform)]))


def test_speech_with_swapped_bytes_is_refused(clip):
    swapped = (clip("fox") * 32_767).astype("<i2").byteswap().astype(np.float32) / 32_768
    with pytest.raises(NoSpeech):
        require_speech(speech_part(swapped))


def test_no_learner_is_silenced(corpus):
    folder, labels = corpus
    for label in labels[::10]:
        waveform, _ = soundfile.read(
            folder / "audio" / f"{label['utterance']}.flac", dtype="float32"
        )
        assert require_speech(speech_part(waveform)) > 0.2
