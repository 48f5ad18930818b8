"""Format, rate, channels and length of an adopted object are those of its bytes."""

import io
from uuid import uuid4

import numpy as np
import pytest
import soundfile

from schema.facts.bucket import Stray
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.reconciliation.found_recordings import measure
from tests.tasks.reconciliation.conftest import key_of

pytestmark = pytest.mark.usefixtures("stage")


def encoded(**how):
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, 96_000), 48_000, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "content_type", "facts"),
    [
        (bytes(24_001), "audio/pcm16", ("pcm16", 24_000, 1, 500)),
        (bytes(240_000), "audio/wav", ("pcm16", 24_000, 1, 5000)),
        (encoded(format="WAV"), "audio/pcm16", ("wav", 48_000, 1, 2000)),
        (encoded(format="FLAC"), "audio/wav", ("flac", 48_000, 1, 2000)),
        (encoded(format="OGG"), "audio/wav", ("ogg", 48_000, 1, 2000)),
        (encoded(format="MP3"), "audio/mpeg", ("mp3", 48_000, 1, None)),
        (encoded(format="FLAC")[:90_000], "audio/flac", ("flac", 48_000, 1, None)),
        (b"\x1aE\xdf\xa3" + bytes(99), "audio/pcm16", ("webm", None, None, None)),
        (b"0000ftypM4A " + bytes(99), "audio/wav", ("mp4", None, None, None)),
        (np.random.default_rng(0).bytes(9_000), "audio/wav", (None, None, None, None)),
        (b"<!doctype html><title>Error</title>", "audio/wav", (None, None, None, None)),
        (b"<html>" + bytes(94), "text/html", (None, None, None, None)),
        (bytes(100), "binary/octet-stream", (None, None, None, None)),
    ],
)
def test_format_rate_channels_and_length_are_those_of_the_bytes(
    stray, save, reconcile, stored, data, content_type, facts
):
    stray(data=data, content_type=content_type)
    save()
    assert reconcile(repair=True).adopted == 1
    message = stored("m")
    assert message.audio_size_bytes == len(data)
    assert facts == (
        message.audio_format,
        message.audio_sample_rate,
        message.audio_channels,
        message.audio_duration_ms,
    )


def test_only_the_beginning_of_headerless_pcm_is_read(stray, save, reconcile, faulty_bucket):
    stray(data=bytes(2_000_000))
    save()
    reconcile(repair=True)
    read = [request.key for request in faulty_bucket.requests if request.operation == "GetObject"]
    assert len(read) == len({*read, MARKER_KEY}) == 2


def test_only_the_size_is_known_of_a_file_too_large_to_read(
    stray, save, reconcile, stored, monkeypatch
):
    monkeypatch.setattr("tasks.reconciliation.found_recordings.MAX_BYTES", 100_000)
    data = encoded(format="WAV")
    stray(data=data)
    save()
    assert reconcile(repair=True).adopted == 1
    message = stored("m")
    assert (message.audio_size_bytes, message.audio_format) == (len(data), None)


def test_a_measured_object_has_its_message_and_size(stray, conversation, learner):
    stray(data=bytes(100_000))
    found = measure(Stray(key_of(learner, conversation, "m"), "m", was_deleted=False))
    assert (found.message_id, found.size_bytes, found.duration_ms) == ("m", 100_000, 2083)
    assert measure(Stray(f"audio/{uuid4()}", "m", was_deleted=False)) is None
