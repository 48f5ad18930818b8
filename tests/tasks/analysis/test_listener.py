"""What is analysed in a locked-down process is analysed as anywhere else."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr

from schema.states import AnalysisEngine, FailureCause
from speech.acoustics.whisper import whisper_encoder
from tasks.analysis import listener, wire
from tasks.analysis.engines import installed_release
from tasks.analysis.records import analysis_record
from tasks.analysis.workers import AnalysisWorkers, NotAnalysed
from tests.speech.conftest import DATA, read_clip
from tests.support.media import media

RATE_HZ = 24_000
RELEASE = installed_release(AnalysisEngine.KAIWA)
SENTENCES = ("We went to the market!", "1 2½ $5.20 XIV a@b.com Dr. naïve 🎉")


def sound_file(waveform, rate_hz, **how):
    file = io.BytesIO()
    soundfile.write(file, waveform, rate_hz, **how)
    return file.getvalue()


SOUND_FILES = [
    {"format": name} for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64")
] + [
    {"format": "OGG", "subtype": "OPUS"},
    {"format": "WAV", "subtype": "MS_ADPCM"},
    {"format": "WAV", "subtype": "ULAW"},
    {"format": "WAV", "subtype": "FLOAT"},
]
MEDIA = [("webm", "libopus"), ("mp4", "aac"), ("mp4", "alac"), ("adts", "aac"), ("asf", "wmav2")]
OTHERS = {
    "headerless": lambda waveform: (waveform * 32767).astype("<i2").tobytes(),
    "broken off": lambda waveform: sound_file(waveform, RATE_HZ, format="FLAC")[:20_000],
    "begun late": lambda waveform: sound_file(waveform, RATE_HZ, format="MP3")[500:],
    "two channels": lambda waveform: sound_file(
        np.column_stack([waveform, waveform / 2]), RATE_HZ, format="WAV"
    ),
    "noise": lambda _: np.random.default_rng(0).bytes(50_000),
    "a page": lambda _: b"<html>",
    "a damaged film": lambda _: b"\x1aE\xdf\xa3" + bytes(999),
}

ENCODING = """
import os, sys
import soundfile
from speech.acoustics.whisper import whisper_encoder
from tasks.sandbox.lockdown import lock_down

waveform, _ = soundfile.read(sys.argv[1], dtype="float32")
encoder = whisper_encoder()
lock_down(memory_bytes=2**30, cpu_seconds=60)
sys.stdout.buffer.write(encoder.states(waveform)[4].tobytes())
"""


@pytest.fixture(scope="module")
def workers():
    with AnalysisWorkers(1, AnalysisEngine.KAIWA) as started:
        yield started


@pytest.fixture
def waveform(spoken):
    samples, rate_hz = soundfile.read(io.BytesIO(spoken("we went to the market")[1]))
    return soxr.resample(samples, rate_hz, RATE_HZ)


@pytest.fixture
def is_analysed_alike(workers, claimed, noon):
    def _is_analysed_alike(text, audio):
        message = claimed(text)
        outcome = workers.analyse(message, audio, as_of=noon)
        request = wire.Request(text=text, language="en", engine=RELEASE.engine)
        here = listener.answer_to(request, audio, None)
        if isinstance(here, wire.FailedAnswer):
            return outcome == NotAnalysed(FailureCause(here.cause), here.reason)
        record = analysis_record(message, here.analysis, RELEASE, as_of=noon, duration_ms=0)
        return record == outcome.record.model_copy(update={"analysis_duration_ms": 0})

    return _is_analysed_alike


@pytest.mark.parametrize("how", SOUND_FILES, ids=lambda how: "-".join(how.values()))
def test_what_libsndfile_reads(is_analysed_alike, waveform, how):
    assert is_analysed_alike(SENTENCES[0], sound_file(waveform, RATE_HZ, **how))


@pytest.mark.parametrize(("container", "codec"), MEDIA)
def test_what_ffmpeg_reads(is_analysed_alike, waveform, container, codec):
    audio = media(waveform, RATE_HZ, container, codec, bit_rate=64_000)
    assert is_analysed_alike(SENTENCES[0], audio)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_odd(is_analysed_alike, waveform, kind):
    assert is_analysed_alike(SENTENCES[0], OTHERS[kind](waveform))


def test_texts_that_are_not_words_alone(is_analysed_alike, waveform):
    assert is_analysed_alike(SENTENCES[1], sound_file(waveform, RATE_HZ, format="WAV"))


def test_whispers_encoder():
    command = [sys.executable, "-c", ENCODING, str(DATA / "fox.flac")]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert ended.stdout == whisper_encoder().states(read_clip("fox"))[4].tobytes()
