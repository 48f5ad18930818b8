"""Read what browsers and phones record, with FFmpeg: WebM, MP4, AAC, WMA, AMR and others.

FFmpeg comes with PyAV, the extra `codecs`, and is imported only when a file needs it. It reads from
memory alone: the container's format is given, other files and the network are out of reach, and
only decoders of sound may be opened. Containers say which samples are to be skipped at the start
(an encoder's delay, an edit list); FFmpeg leaves those out.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.decoding.sound import Sound, without_padding
from speech.errors import DecoderMissing, UndecodableAudio

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

_DECODERS: Final = (
    "aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb",
    "amrwb", "eac3", "flac", "g722", "g726", "gsm", "gsm_ms", "mp1", "mp1float", "mp2", "mp2float",
    "mp3", "mp3float", "nellymoser", "opus", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be",
    "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be",
    "pcm_s32le", "pcm_s8", "pcm_u8", "qcelp", "speex", "vorbis", "wmalossless", "wmapro", "wmav1",
    "wmav2", "wmavoice",
)  # fmt: skip
_OPTIONS: Final = {
    "codec_whitelist": ",".join(_DECODERS),
    "protocol_whitelist": "none",
    "max_streams": "64",
}
# Their last packet is as long as its samples. The padding that a CAF file states
# would be cut from them once more.
_EXACT_DECODERS: Final = {"alac"}
# Containers that state the length of each stream. Others estimate it from the bit rate.
_STATES_LENGTH: Final = {"mov,mp4,m4a,3gp,3g2,mj2"}
# Of the whole file, that is of its only stream.
_STATES_LENGTH_OF_FILE: Final = {"matroska,webm"}

_BLOCK_FRAMES: Final = 2**15
# Timestamps in WebM are whole milliseconds, and clocks drift; what is longer was not recorded, such
# as silence (discontinuous transmission) or lost packets.
_MIN_GAP_SECONDS: Final = 0.05
_MAX_GAP_SECONDS: Final = 600  # more is a clock that was set
_SCALES: Final = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "flt": 1.0, "dbl": 1.0}


def open_media(data: bytes, *, demuxer: str, title: str) -> Sound:
    """Open a recording; its first track with sound.

    Args:
        data: The file.
        demuxer: FFmpeg's name of the container's format.
        title: The format's name with its article, for messages.

    Raises:
        DecoderMissing: If the extra `codecs` is not installed.
        UndecodableAudio: If the file is damaged, or has no sound that can be decoded.
    """
    try:
        import av
    except ImportError as error:
        raise DecoderMissing(title) from error
    av.logging.set_level(av.logging.PANIC)
    try:
        container = av.open(
            io.BytesIO(data), "r", format=demuxer, options=_OPTIONS, metadata_errors="ignore"
        )
    except (av.FFmpegError, ValueError) as error:
        raise UndecodableAudio(reason=f"it is {title}, but damaged or incomplete") from error
    stream = _sound_track(container, title)
    frames = _frames(container, stream)
    first = next(frames, None)
    if first is None:
        raise UndecodableAudio(reason="the file holds no samples")
    rate_hz, channels = first.sample_rate, first.layout.nb_channels
    seconds = _declared_seconds(container, stream)
    declared = None if seconds is None else round(seconds * rate_hz)
    timeline = _Timeline(rate_hz, first.layout.name, channels)
    pieces = timeline.pieces(chain([first], frames), lead=_lead(container, stream))
    if declared is not None and demuxer in _STATES_LENGTH:
        pieces = without_padding(pieces, declared)
    return Sound(rate_hz, channels, declared, _joined(pieces))


def _sound_track(container: "InputContainer", title: str) -> "AudioStream":
    tracks = container.streams.audio
    if not tracks:
        raise UndecodableAudio(reason=f"it is {title} without sound")
    for track in tracks:
        if track.codec_context is not None and track.codec_context.name in _DECODERS:
            track.codec_context.thread_count = 1
            if track.codec_context.name in _EXACT_DECODERS:
                track.codec_context.options = {"flags2": "skip_manual"}
            return track
    raise UndecodableAudio(reason=f"it is {title} with sound in an encoding that cannot be read")


def _frames(container: "InputContainer", stream: "AudioStream") -> Iterator["AudioFrame"]:
    """Decode up to the end or to where the container is damaged, without damaged packets."""
    from av import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        try:
            decoded = packet.decode()
        except FFmpegError:
            continue
        yield from decoded


def _declared_seconds(container: "InputContainer", stream: "AudioStream") -> Fraction | None:
    if container.format.name in _STATES_LENGTH and stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    is_alone = container.format.name in _STATES_LENGTH_OF_FILE and len(container.streams) == 1
    if not is_alone or not container.duration:
        return None
    # The stated length is the time of the end; a later part of a recording does not begin at 0.
    return Fraction(container.duration - max(container.start_time or 0, 0), 10**6)


def _lead(container: "InputContainer", stream: "AudioStream") -> Fraction:
    """Return by how much the sound begins after the picture, in seconds."""
    starts = [
        other.start_time * other.time_base
        for other in (stream, *container.streams.video)
        if other.start_time is not None and other.time_base is not None
    ]
    if stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base - min(starts)


class _Timeline:
    """Puts decoded frames where their timestamps say, all in one sample rate and layout."""

    def __init__(self, rate_hz: int, layout: str, channels: int) -> None:
        self._rate_hz, self._layout, self._channels = rate_hz, layout, channels
        self._position = 0
        self._origin: Fraction | None = None  # timestamp of position 0
        self._resamplers: dict[tuple[str, str, int], Any] = {}

    def pieces(
        self, frames: Iterator["AudioFrame"], *, lead: Fraction
    ) -> Iterator[NDArray[np.float32]]:
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                yield from self._silence_until(frame.pts * frame.time_base, lead)
            samples = self._samples(frame)
            self._position += len(samples)
            yield samples

    def _silence_until(self, time: Fraction, lead: Fraction) -> Iterator[NDArray[np.float32]]:
        if self._origin is None:
            self._origin = time - lead
        gap = round((time - self._origin) * self._rate_hz) - self._position
        if abs(gap) < _MIN_GAP_SECONDS * self._rate_hz:
            return
        if not 0 < gap <= _MAX_GAP_SECONDS * self._rate_hz:
            self._origin += Fraction(gap, self._rate_hz)
            return
        self._position += gap
        for start in range(0, gap, _BLOCK_FRAMES):
            yield np.zeros((min(_BLOCK_FRAMES, gap - start), self._channels), np.float32)

    def _samples(self, frame: "AudioFrame") -> NDArray[np.float32]:
        """Return the frame's samples, shape (n, channels)."""
        if (frame.sample_rate, frame.layout.nb_channels) == (self._rate_hz, self._channels):
            return _as_floats(frame)
        from av import AudioResampler, FFmpegError

        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key not in self._resamplers:
            self._resamplers[key] = AudioResampler("flt", self._layout, self._rate_hz)
        try:
            converted = self._resamplers[key].resample(frame)
        except FFmpegError:  # a damaged header led to an impossible conversion
            converted = []
        return np.concatenate(
            [np.empty((0, self._channels), np.float32), *map(_as_floats, converted)]
        )


def _as_floats(frame: "AudioFrame") -> NDArray[np.float32]:
    """Return samples in [-1, 1], shape (n, channels)."""
    samples = frame.to_ndarray()
    channels = frame.layout.nb_channels
    by_frame = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
    scale = _SCALES[frame.format.name.removesuffix("p")]
    offset = 1.0 if frame.format.name.startswith("u8") else 0.0
    return (by_frame / scale - offset).astype(np.float32)


def _joined(pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Join the pieces of single packets to blocks."""
    block: list[NDArray[np.float32]] = []
    for piece in pieces:
        block.append(piece)
        if sum(map(len, block)) >= _BLOCK_FRAMES:
            yield np.concatenate(block)
            block = []
    if block:
        yield np.concatenate(block)
