"""Recordings as browsers and phones make them, encoded with FFmpeg."""

import io
from fractions import Fraction

import numpy as np
import pytest

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
CODED_FRAMES = 1024  # of encoders without a fixed frame


def media(
    waveform,
    rate_hz,
    container,
    codec,
    *,
    layout="mono",
    options=None,
    bit_rate=None,
    video=None,
    video_first=0.0,
    tracks=1,
    gap=None,
    start=0.0,
):
    """Encode a waveform of shape (n,) or (channels, n), and return the file.

    Args:
        waveform: Samples in [-1, 1].
        rate_hz: Sample rate.
        container: FFmpeg's name of the muxer.
        codec: FFmpeg's name of the encoder; None for a video without sound.
        layout: FFmpeg's name of the channel layout.
        options: Of the muxer.
        bit_rate: For encoders without a default.
        video: Encoder of a picture track next to the sound.
        video_first: Seconds by which the picture begins before the sound.
        tracks: Tracks of sound; the second and later ones are silent.
        gap: Start of a gap between timestamps and its length, in samples.
        start: Seconds by which all timestamps are later.
    """
    av = pytest.importorskip("av", reason="the extra `codecs` is not installed")
    samples = np.atleast_2d(np.asarray(waveform, np.float32))
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        picture = _picture_track(output, video) if video else None
        sounds = [
            _sound_track(output, codec, rate_hz, layout, bit_rate)
            for _ in range(tracks if codec else 0)
        ]
        if picture:
            seconds = samples.shape[1] / rate_hz + video_first
            _write_picture(output, picture, seconds, start)
        shift = round((video_first + start) * rate_hz)
        for number, sound in enumerate(sounds):
            _write_sound(output, sound, samples * (number == 0), rate_hz, layout, shift, gap)
    return file.getvalue()


def _picture_track(output, codec):
    track = output.add_stream(codec, rate=10)
    track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
    return track


def _sound_track(output, codec, rate_hz, layout, bit_rate):
    track = output.add_stream(codec, rate=rate_hz, layout=layout)
    if bit_rate:
        track.bit_rate = bit_rate
    track.codec_context.open()
    return track


def _write_picture(output, track, seconds, start):
    import av

    for number in range(round(10 * seconds)):
        picture = av.VideoFrame(64, 48, "yuv420p")
        picture.pts, picture.time_base = number + round(10 * start), Fraction(1, 10)
        output.mux(track.encode(picture))
    output.mux(track.encode(None))


def _write_sound(output, track, samples, rate_hz, layout, shift, gap):
    import av

    size = track.codec_context.frame_size or CODED_FRAMES
    convert = av.AudioResampler(track.codec_context.format, layout, rate_hz)
    for start in range(0, samples.shape[1], size):
        piece = np.ascontiguousarray(samples[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), start
        for converted in convert.resample(frame):
            late = gap[1] if gap and start >= gap[0] else 0
            converted.pts, converted.time_base = start + shift + late, Fraction(1, rate_hz)
            output.mux(track.encode(converted))
    output.mux(track.encode(None))
