import io

import numpy as np
import pytest
import soundfile

from speech import engine
from speech.downmix import downmixed
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode
from tests.speech.conftest import read_clip
from tests.speech.test_engine import TEXTS
from training import channels

POINT = 1
FOX = read_clip("fox")


def noise(dbfs, length, seed=0):
    samples = np.random.default_rng(seed).standard_normal(length)
    return (10 ** (dbfs / 20) * samples).astype(np.float32)


def delayed(waveform, ms):
    later = round(ms * SAMPLE_RATE_HZ / 1_000)
    return np.concatenate([np.zeros(later, np.float32), waveform[:-later]])


LAYOUTS = {
    "in opposite phase": lambda x: (x, -x),
    "the right one dead": lambda x: (x, 0 * x),
    "the left one dead": lambda x: (0 * x, x),
    "both the same": lambda x: (x, x),
    "the right one inverted and softer": lambda x: (x, -0.5 * x),
    "the left one inverted and softer": lambda x: (-0.5 * x, x),
    "the right one nearly inverted": lambda x: (x, -0.98 * x + noise(-75, len(x))),
    "the right one noise": lambda x: (x, noise(-30, len(x))),
    "the left one louder noise": lambda x: (noise(-12, len(x)), x),
    "the right one noisy": lambda x: (x, x + noise(-40, len(x))),
    "the left one with mains hum": lambda x: (
        channels.hum(x, np.random.default_rng(0), mains_hz=50, snr_db=5.0), x,
    ),
    "an offset": lambda x: (x, np.full_like(x, 0.2)),
    **{f"{ms} ms apart": lambda x, ms=ms: (x, delayed(x, ms)) for ms in (0.3, 1, 2.5, 5)},
    "three": lambda x: (0 * x, x, -x),
    "three, one noisy": lambda x: (noise(-35, len(x)), x, delayed(x, 1)),
    "six": lambda x: (0 * x, 0 * x, x, 0 * x, -x, -x),
}  # fmt: skip


def scores(waveform, text):
    raw = engine.analyze(waveform, text, "en").raw_features
    return np.array([raw[name] for name in ("accuracy", "fluency", "prosodic", "total")])


def stored(layout, **options):
    file = io.BytesIO()
    soundfile.write(file, np.column_stack(layout), SAMPLE_RATE_HZ, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_channels_score_like_the_good_one_alone(layout, name):
    mono = 0.5 * read_clip(name)
    data = stored(LAYOUTS[layout](mono), format="FLAC")
    waveform = decode(data, AudioEncoding())
    assert len(waveform) == len(mono)
    assert np.abs(scores(waveform, TEXTS[name]) - scores(mono, TEXTS[name])).max() <= POINT


@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_channels_of_learners_score_like_the_good_one_alone(corpus, layout):
    folder, labels = corpus
    for label in labels[13::250]:
        mono, _ = soundfile.read(folder / "audio" / f"{label['utterance']}.flac", dtype="float32")
        mono = 0.5 * mono
        waveform = decode(stored(LAYOUTS[layout](mono), format="WAV"), AudioEncoding())
        change = scores(waveform, label["text"]) - scores(mono, label["text"])
        assert np.abs(change).max() <= POINT, label["utterance"]


def test_mono_is_passed_on_bit_by_bit():
    blocks = [FOX[:1_000, None], FOX[1_000:1_001, None], FOX[1_001:, None]]
    out = list(downmixed(iter(blocks), SAMPLE_RATE_HZ))
    assert [len(block) for block in out] == [1_000, 1, len(FOX) - 1_001]
    assert (np.concatenate(out) == FOX).all()


@pytest.mark.parametrize("size", [1, 4_096, 2**19])
def test_the_size_of_the_blocks_makes_no_difference(size):
    stereo = np.column_stack([noise(-40, len(FOX)), FOX])[:20_000]
    blocks = (stereo[at : at + size] for at in range(0, len(stereo), size))
    assert (np.concatenate(list(downmixed(blocks, SAMPLE_RATE_HZ))) == FOX[:20_000]).all()


def test_both_sides_of_a_recorded_call_are_kept():
    silent = np.zeros_like(FOX)
    left, right = np.concatenate([FOX, silent]), np.concatenate([silent, FOX])
    (mono,) = downmixed([np.column_stack([left, right])], SAMPLE_RATE_HZ)
    assert mono == pytest.approx((left + right) / 2)


def test_a_voice_that_moves_to_another_channel_is_followed_without_a_click():
    minute = np.tile(FOX, 30)[: 60 * SAMPLE_RATE_HZ]
    is_first = np.arange(len(minute)) < len(minute) // 2
    stereo = np.column_stack([np.where(is_first, minute, 0), np.where(is_first, 0, minute)])
    blocks = np.array_split(stereo, 17)
    mono = np.concatenate(list(downmixed(blocks, SAMPLE_RATE_HZ)))
    changed = np.flatnonzero(np.abs(mono - minute) > 1e-6)
    # Only until the quietest moment at the beginning of the second half.
    assert len(mono) == len(minute)
    assert not len(changed) or changed[-1] - len(minute) // 2 < 2.1 * SAMPLE_RATE_HZ
    assert np.abs(np.diff(mono)).max() <= np.abs(np.diff(minute)).max() + 1e-6


def test_hours_of_channels_are_held_half_a_minute_at_a_time():
    block = np.column_stack([noise(-40, 8_000), noise(-40, 8_000, seed=1)])
    given = 0

    def blocks():
        nonlocal given
        for _ in range(200):
            given += 1
            yield block

    first = next(downmixed(blocks(), 8_000))
    assert (len(first), given) == (240_000, 30)


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_almost_nothing_in_several_channels_is_no_failure(frames):
    blocks = [np.zeros((frames, 2), np.float32)]
    assert sum(map(len, downmixed(blocks, 4_000))) == frames
