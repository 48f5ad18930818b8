import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.waveform import SAMPLE_RATE_HZ
from training import channels
from training.signals import speech_power

CLIP = Path(__file__).parents[1] / "speech" / "data" / "fox.flac"
NOISES = {
    "white": channels.white_noise,
    "pink": channels.pink_noise,
    "babble": channels.babble,
    "hum": partial(channels.hum, mains_hz=50.0),
}
CHANNELS = {
    "gain": partial(channels.gain, db=-20.0),
    "clipping": partial(channels.clipping, db=12.0),
    "room": partial(channels.reverberation, rt60_seconds=0.6, direct_to_reverberant_db=0.0),
    "low pass": partial(channels.low_pass, hz=2_500),
    "high pass": partial(channels.high_pass, hz=400),
    "dull": partial(channels.tilt, db_per_octave=-4.0),
    "sharp": partial(channels.tilt, db_per_octave=4.0),
    "narrow band": channels.narrow_band,
    "mu-law": channels.mu_law,
    **{f"{kind} noise": partial(noise, snr_db=5.0) for kind, noise in NOISES.items()},
    **{f"mp3 at {rate}": partial(channels.mp3, kbits_per_second=rate) for rate in (24, 32, 40, 64)},
    **{f"opus at {rate}": partial(channels.opus, kbits_per_second=rate) for rate in (6, 16, 32)},
}
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def speech():
    return soundfile.read(CLIP, dtype="float32")[0]


@pytest.fixture
def rng():
    return np.random.default_rng(762)


def delay_ms(before, after):
    size = 1 << (2 * len(before)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(after, size) * np.fft.rfft(before, size).conj(), size)
    lag = int(np.argmax(correlation))
    return 1000 * (lag - size if lag > size // 2 else lag) / SAMPLE_RATE_HZ


def share_above(waveform, hertz):
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return power[np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ) > hertz].sum() / power.sum()


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_keeps_length_and_time_and_full_scale(name, speech, rng):
    before = speech.copy()
    heard = CHANNELS[name](speech, rng)
    assert heard.dtype == np.float32
    assert heard.shape == speech.shape
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1
    assert abs(delay_ms(speech, heard)) <= 5
    assert not np.array_equal(heard, speech)
    np.testing.assert_array_equal(speech, before)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_leaves_digital_silence_and_the_shortest_recording_finite(name, rng):
    for n in (1, 100, 16_000):
        heard = CHANNELS[name](np.zeros(n, np.float32), rng)
        assert heard.shape == (n,)
        assert np.isfinite(heard).all()


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_requested_ratio_to_the_speech(kind, snr_db, speech, rng):
    # Quiet enough that nothing is scaled down.
    quiet = 0.1 * speech
    noise = NOISES[kind](quiet, rng, snr_db=snr_db) - quiet
    measured_db = 10 * np.log10(speech_power(quiet) / np.mean(np.square(noise)))
    assert measured_db == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize("kind", NOISES)
def test_pauses_make_noise_neither_louder_nor_softer(kind, speech, rng):
    paused = np.concatenate([speech, np.zeros(10 * SAMPLE_RATE_HZ, np.float32)]) * 0.1
    noise = NOISES[kind](paused, rng, snr_db=10.0) - paused
    measured_db = 10 * np.log10(speech_power(0.1 * speech) / np.mean(np.square(noise)))
    assert measured_db == pytest.approx(10.0, abs=0.3)


def test_loud_noise_turns_the_speech_down_instead_of_clipping(speech, rng):
    heard = channels.white_noise(speech / np.abs(speech).max(), rng, snr_db=0.0)
    assert np.abs(heard).max() == pytest.approx(1)
    assert np.mean(np.abs(heard) > 0.999) < 1e-4


def test_pink_noise_has_as_much_power_in_each_octave(speech, rng):
    noise = channels.pink_noise(0.1 * speech, rng, snr_db=0.0) - 0.1 * speech
    low, high = (share_above(noise, hz) - share_above(noise, 2 * hz) for hz in (250, 2_000))
    assert low == pytest.approx(high, rel=0.2)


def test_gain_changes_the_level_by_so_many_decibels(speech, rng):
    heard = channels.gain(speech, rng, db=-20.0)
    assert heard == pytest.approx(0.1 * speech, abs=1 / 32_767)


def test_overdriving_cuts_off_what_comes_above_full_scale(speech, rng):
    heard = channels.clipping(speech, rng, db=12.0)
    above = np.abs(speech) > np.abs(speech).max() * 10 ** (-12 / 20)
    assert above.mean() > 0.01
    assert (np.abs(heard[above]) > 0.9999).all()
    assert (np.abs(heard[~above]) <= 1).all()


def test_a_room_rings_after_a_sound_and_not_before(rng):
    click = np.zeros(SAMPLE_RATE_HZ, np.float32)
    click[4_000] = 0.5
    heard = channels.reverberation(click, rng, rt60_seconds=0.3, direct_to_reverberant_db=3.0)
    assert np.argmax(np.abs(heard)) == 4_000
    assert np.abs(heard[:4_000]).max() < 1e-4
    # The first reflection arrives after 2 ms.
    assert np.abs(heard[4_001:4_032]).max() < 1e-4
    assert np.abs(heard[4_033:4_100]).max() > 1e-3
    tail = np.square(heard[4_001:])
    assert 10 * np.log10(heard[4_000] ** 2 / tail.sum()) == pytest.approx(3.0, abs=0.2)
    early, late = tail[400:800].mean(), tail[2_800:3_200].mean()
    # 0.15 s later, half of the 60 dB.
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=4)


@pytest.mark.parametrize(
    ("name", "hertz"), [("low pass", 5_000), ("narrow band", 4_100), ("mu-law", 4_100)]
)
def test_a_narrow_channel_takes_away_what_is_high(name, hertz, rng):
    noise = 0.1 * rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    assert share_above(CHANNELS[name](noise, rng), hertz) < 0.01


def test_a_high_pass_takes_away_what_is_low(rng):
    noise = 0.1 * rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    assert 1 - share_above(CHANNELS["high pass"](noise, rng), 100) < 1e-3


@pytest.mark.parametrize("name", ["low pass", "high pass", "dull", "sharp"])
def test_a_sound_at_the_end_does_not_affect_the_beginning(name, rng):
    speech = np.zeros(2**14, np.float32)
    speech[-200:] = 0.3
    assert np.abs(CHANNELS[name](speech, rng)[:8_000]).max() < 2e-3


def test_fewer_bits_per_second_distort_more(speech, rng):
    error = [
        np.square(channels.opus(speech, rng, kbits_per_second=rate) - speech).mean()
        for rate in (8, 16, 32)
    ]
    assert error == sorted(error, reverse=True)


def test_a_telephone_line_knows_256_levels(speech, rng):
    # Every G.711 code is a 14-bit level, and only few levels exist.
    narrow = channels.mu_law(speech, rng)[100:-100]
    error = narrow - channels.narrow_band(speech, rng)[100:-100]
    snr_db = 10 * np.log10(speech_power(speech) / np.mean(np.square(error)))
    assert 25 < snr_db < 45


@given(seed=seeds)
@settings(max_examples=60, deadline=None)
def test_any_chain_keeps_length_and_full_scale_and_repeats_itself(seed):
    speech = soundfile.read(CLIP, dtype="float32", frames=SAMPLE_RATE_HZ)[0]
    heard = []
    for _ in range(2):
        rng = np.random.default_rng(seed)
        chain = channels.random_channel(rng)
        assert 1 <= len(chain.links) <= 3
        heard.append(pickle.loads(pickle.dumps(chain))(speech, rng))
    np.testing.assert_array_equal(*heard)
    assert heard[0].shape == speech.shape
    assert np.isfinite(heard[0]).all()
    assert np.abs(heard[0]).max() <= 1
    assert abs(delay_ms(speech, heard[0])) <= 5


def test_every_channel_is_drawn(rng):
    drawn = {
        getattr(link, "func", link)
        for _ in range(400)
        for link in channels.random_channel(rng).links
    }
    assert drawn == {getattr(channel, "func", channel) for channel in CHANNELS.values()}
