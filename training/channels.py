"""Simulate recording channels: rooms, noise, microphones, levels, codecs.

Every channel is a function of a waveform (float32, mono, 16 kHz, in [-1, 1]) and a random
generator. It returns a waveform of the same length without shifting any sound in time, so that
boundaries and ratings of the clean recording remain valid. `functools.partial` sets its strength;
the same generator state gives the same result.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import soundfile
import soxr

from speech.waveform import SAMPLE_RATE_HZ
from training.signals import Waveform, convolved, filtered, fitted, mixed, turned_down

Channel = Callable[[Waveform, np.random.Generator], Waveform]

_TELEPHONE_HZ: Final = 8_000
_BABBLING_VOICES: Final = 6
# At this sample rate.
_MP3_KBITS: Final = (160.0, 8.0)
# Delay of LAME's encoder (576) and every decoder (529). Below 40 kbit/s a frame has no room for
# the tag that makes the decoder remove it.
_MP3_DELAY: Final = 576 + 529
# Per channel; libsndfile removes the delay of this codec.
_OPUS_KBITS: Final = (256.0, 6.0)


def gain(waveform: Waveform, _rng: np.random.Generator, *, db: float) -> Waveform:
    """Change the recording level: loud samples clip, and samples are rounded to 16 bits."""
    louder: Waveform = np.clip(waveform * np.float32(10 ** (db / 20)), -1.0, 1.0)
    return np.round(louder * 32_767) / np.float32(32_767)


def clipping(waveform: Waveform, rng: np.random.Generator, *, db: float) -> Waveform:
    """Amplify until the loudest sample is `db` above full scale, and clip there."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return gain(waveform, rng, db=db - 20 * np.log10(peak)) if peak else waveform.copy()


def white_noise(waveform: Waveform, rng: np.random.Generator, *, snr_db: float) -> Waveform:
    """Add noise of equal power at all frequencies; the SNR counts speech-active frames only."""
    return mixed(waveform, rng.standard_normal(len(waveform), np.float32), snr_db)


def pink_noise(waveform: Waveform, rng: np.random.Generator, *, snr_db: float) -> Waveform:
    """Add noise that falls by 3 dB per octave: fans, traffic."""
    white = rng.standard_normal(len(waveform), np.float32)
    return mixed(waveform, filtered(white, lambda hz: np.maximum(hz, 20.0) ** -0.5), snr_db)


def babble(waveform: Waveform, rng: np.random.Generator, *, snr_db: float) -> Waveform:
    """Add a room of voices: the recording itself, reversed, at several tempos and places."""
    n = len(waveform)
    reversed_voice = np.tile(waveform[::-1], 2)
    voices = np.zeros(n, np.float32)
    for tempo, start in zip(
        rng.uniform(0.8, 1.25, _BABBLING_VOICES), rng.uniform(0, n, _BABBLING_VOICES), strict=True
    ):
        at = (start + tempo * np.arange(n)) % n
        voices += np.interp(at, np.arange(2 * n), reversed_voice).astype(np.float32)
    return mixed(waveform, voices, snr_db)


def hum(
    waveform: Waveform, rng: np.random.Generator, *, mains_hz: float, snr_db: float
) -> Waveform:
    """Add mains hum with harmonics up to 1 kHz that fall in level."""
    orders = np.arange(1, int(1_000 / mains_hz) + 1)
    levels = rng.uniform(0.2, 1.0, len(orders)) / orders
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    turns = 2 * np.pi * mains_hz / SAMPLE_RATE_HZ * np.arange(len(waveform))
    tone = np.zeros(len(waveform))
    for order, level, phase in zip(orders, levels, phases, strict=True):
        tone += level * np.sin(order * turns + phase)
    return mixed(waveform, tone.astype(np.float32), snr_db)


def reverberation(
    waveform: Waveform,
    rng: np.random.Generator,
    *,
    rt60_seconds: float,
    direct_to_reverberant_db: float,
) -> Waveform:
    """Add the reverberation of a room with a noise-like tail that decays 60 dB in `rt60_seconds`.

    The direct sound is not delayed, and the overall loudness stays the same.
    """
    seconds = np.arange(1, round(rt60_seconds * SAMPLE_RATE_HZ) + 1) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60_seconds)
    tail[: SAMPLE_RATE_HZ // 500] = 0  # the first reflection arrives after 2 ms
    tail *= 10 ** (-direct_to_reverberant_db / 20) / np.sqrt(np.sum(np.square(tail)))
    reverberant = waveform + convolved(waveform, np.concatenate([[0.0], tail]))
    power = float(np.mean(np.square(reverberant)))
    if power:
        reverberant *= np.sqrt(float(np.mean(np.square(waveform))) / power)
    return turned_down(reverberant)


def low_pass(waveform: Waveform, _rng: np.random.Generator, *, hz: float) -> Waveform:
    """Attenuate frequencies above `hz` by 24 dB per octave, without delay."""
    return turned_down(filtered(waveform, lambda f: 1 / np.sqrt(1 + (f / hz) ** 8)))


def high_pass(waveform: Waveform, _rng: np.random.Generator, *, hz: float) -> Waveform:
    """Attenuate frequencies below `hz` by 12 dB per octave, without delay."""
    return turned_down(
        filtered(waveform, lambda f: 1 / np.sqrt(1 + (hz / np.maximum(f, 1.0)) ** 4))
    )


def tilt(waveform: Waveform, _rng: np.random.Generator, *, db_per_octave: float) -> Waveform:
    """Tilt the spectrum like a microphone: dull below 0, sharp above; 1 kHz keeps its level."""
    power = db_per_octave / (20 * np.log10(2))
    return turned_down(filtered(waveform, lambda f: (np.maximum(f, 60.0) / 1_000) ** power))


def narrow_band(waveform: Waveform, _rng: np.random.Generator) -> Waveform:
    """Resample to 8 kHz and back: nothing above 4 kHz remains."""
    narrow = _resampled(waveform, SAMPLE_RATE_HZ, _TELEPHONE_HZ)
    return fitted(_resampled(narrow, _TELEPHONE_HZ, SAMPLE_RATE_HZ), len(waveform))


def mu_law(waveform: Waveform, _rng: np.random.Generator) -> Waveform:
    """Simulate a telephone line: 8 kHz, one G.711 byte per sample."""
    buffer = io.BytesIO()
    narrow = _resampled(waveform, SAMPLE_RATE_HZ, _TELEPHONE_HZ)
    soundfile.write(buffer, narrow, _TELEPHONE_HZ, format="WAV", subtype="ULAW")
    decoded, _ = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="float32")
    return fitted(_resampled(decoded, _TELEPHONE_HZ, SAMPLE_RATE_HZ), len(waveform))


def mp3(waveform: Waveform, _rng: np.random.Generator, *, kbits_per_second: float) -> Waveform:
    """Encode and decode with LAME; realistic for 16 kHz speech are 24 to 64 kbit/s."""
    decoded = _coded(
        waveform, "MP3", "MPEG_LAYER_III", kbits_per_second, _MP3_KBITS, bitrate_mode="CONSTANT"
    )
    # If the length is unchanged, the decoder has already removed the delay.
    delay = _MP3_DELAY if len(decoded) > len(waveform) else 0
    return fitted(decoded[delay:], len(waveform))


def opus(waveform: Waveform, _rng: np.random.Generator, *, kbits_per_second: float) -> Waveform:
    """Encode and decode with libopus; calls and voice messages use 6 to 32 kbit/s."""
    return fitted(_coded(waveform, "OGG", "OPUS", kbits_per_second, _OPUS_KBITS), len(waveform))


def _coded(
    waveform: Waveform,
    container: str,
    codec: str,
    kbits_per_second: float,
    kbits: tuple[float, float],
    bitrate_mode: str | None = None,
) -> Waveform:
    """Encode and decode; libsndfile maps compression 0 to 1 onto the range `kbits`."""
    buffer = io.BytesIO()
    highest, lowest = kbits
    with soundfile.SoundFile(
        buffer,
        "w",
        SAMPLE_RATE_HZ,
        channels=1,
        format=container,
        subtype=codec,
        compression_level=(highest - kbits_per_second) / (highest - lowest),
        bitrate_mode=bitrate_mode,
    ) as sound:
        sound.write(waveform)
    decoded: Waveform = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="float32")[0]
    return decoded


@dataclass(frozen=True, slots=True)
class Chain:
    """Several channels in sequence; itself a channel, and picklable."""

    links: tuple[Channel, ...]

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Apply all channels in order."""
        for link in self.links:
            waveform = link(waveform, rng)
        return waveform


def random_channel(rng: np.random.Generator) -> Chain:
    """Draw one to three channels, in the order in which they occur in reality."""
    stages = (_random_room, _random_noise, _random_microphone, _random_level, _random_codec)
    chosen = rng.choice(len(stages), size=rng.integers(1, 4), replace=False)
    return Chain(tuple(stages[index](rng) for index in sorted(chosen)))


def _random_room(rng: np.random.Generator) -> Channel:
    return partial(
        reverberation,
        rt60_seconds=rng.uniform(0.15, 0.6),
        direct_to_reverberant_db=rng.uniform(0.0, 15.0),
    )


def _random_noise(rng: np.random.Generator) -> Channel:
    white = partial(white_noise, snr_db=rng.uniform(5.0, 35.0))
    return _one_of(
        rng,
        white,
        white,  # the most harmful and most frequent
        partial(pink_noise, snr_db=rng.uniform(5.0, 35.0)),
        partial(babble, snr_db=rng.uniform(10.0, 35.0)),
        partial(hum, mains_hz=float(rng.choice([50, 60])), snr_db=rng.uniform(5.0, 30.0)),
    )


def _random_microphone(rng: np.random.Generator) -> Channel:
    return _one_of(
        rng,
        partial(low_pass, hz=rng.uniform(2_500, 7_000)),
        partial(high_pass, hz=rng.uniform(80, 400)),
        partial(tilt, db_per_octave=rng.uniform(-4.0, 4.0)),
    )


def _random_level(rng: np.random.Generator) -> Channel:
    return _one_of(
        rng,
        partial(gain, db=rng.uniform(-35.0, 6.0)),
        partial(clipping, db=rng.uniform(2.0, 18.0)),
    )


def _random_codec(rng: np.random.Generator) -> Channel:
    return _one_of(
        rng,
        narrow_band,
        mu_law,
        mu_law,  # the most harmful and most frequent
        partial(mp3, kbits_per_second=float(rng.choice([24, 32, 48, 64]))),
        partial(opus, kbits_per_second=float(rng.choice([6, 8, 12, 16, 24, 32]))),
    )


def _one_of(rng: np.random.Generator, *channels: Channel) -> Channel:
    return channels[rng.integers(len(channels))]


def _resampled(waveform: Waveform, from_hz: int, to_hz: int) -> Waveform:
    return np.asarray(soxr.resample(waveform, from_hz, to_hz), np.float32)
