"""Decode uploaded bytes to one waveform: mono, 16 kHz, float32 in [-1, 1].

The bytes take precedence over the message's declared columns: the app uploads raw little-endian
PCM16 at 24 kHz under keys that end in `.wav`. Decoding runs block by block, so a small file that
unpacks to days of audio costs a few megabytes before it is refused.
"""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.downmix import downmixed
from speech.errors import AudioTooLong, UndecodableAudio
from speech.formats import has_container, promised_bytes

SAMPLE_RATE_HZ: Final = 16_000
MAX_SECONDS: Final = 600
MAX_BYTES: Final = 128 * 2**20  # ten minutes of 48 kHz stereo in 16 bits are 110 MiB
MAX_CHANNELS: Final = 8

_MIN_RATE_HZ, _MAX_RATE_HZ = 4_000, 192_000
# Long blocks, because soundfile seeks after every read and libmpg123 then complains on stderr.
# Short ones for FLAC, the only format that reports damage and loses the block that contains it.
_BLOCK_FRAMES: Final = 2**19
_FLAC_BLOCK_FRAMES: Final = 2**12
# A truncated upload is decoded as far as it goes if at least this share of its declared length is
# there; the rest of a shorter one would not match the text.
_MIN_SHARE_DECODED: Final = 0.5
_MAX_SHARE_NOT_FINITE: Final = 0.01

# Formats without a header, as `messages.audio_format` names them: libsndfile's name, default Hz.
# Bytes declared as "wav" without a RIFF header are the app's headerless PCM.
_HEADERLESS: Final = {
    "pcm16": ("PCM_16", 24_000),
    "wav": ("PCM_16", 24_000),
    "g711_ulaw": ("ULAW", 8_000),
    "g711_alaw": ("ALAW", 8_000),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """Encoding as declared by the app; None where it is not declared."""

    format: str | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None


def decode(data: bytes, encoding: AudioEncoding) -> NDArray[np.float32]:
    """Decode a recording.

    Args:
        data: The object as uploaded.
        encoding: Declared encoding, used only if the bytes have no header.

    Returns:
        Shape (n,), n > 0: mono samples at `SAMPLE_RATE_HZ`, finite, in [-1, 1].

    Raises:
        UndecodableAudio: If the bytes are not audio, less than half of the declared length is
            there, or more than 1 % of the samples are not finite.
        AudioTooLong: If there are more than `MAX_BYTES` or `MAX_SECONDS`.
    """
    if not data:
        raise UndecodableAudio(reason="the file is empty")
    if len(data) > MAX_BYTES:
        raise AudioTooLong(limit=f"{MAX_BYTES // 2**20} MiB")
    try:
        with _open(data, encoding) as sound:
            _check_layout(sound.samplerate, sound.channels)
            waveform = _resampled(sound)
    except soundfile.LibsndfileError as error:
        raise UndecodableAudio(reason=error.error_string.rstrip(". ")) from error
    if not len(waveform):
        raise UndecodableAudio(reason="the file holds no samples")
    # Resampling overshoots a little at loud edges.
    return np.clip(waveform, -1.0, 1.0)


def _open(data: bytes, encoding: AudioEncoding) -> soundfile.SoundFile:
    declared = (encoding.format or "pcm16").strip().lower()
    if has_container(data) or declared not in _HEADERLESS:
        _check_share(len(data), promised_bytes(data) or 0, "bytes")
        return soundfile.SoundFile(io.BytesIO(data))
    subtype, usual_rate_hz = _HEADERLESS[declared]
    rate_hz = usual_rate_hz if encoding.sample_rate_hz is None else encoding.sample_rate_hz
    channels = 1 if encoding.channels is None else encoding.channels
    _check_layout(rate_hz, channels)
    frame_bytes = channels * (2 if subtype == "PCM_16" else 1)
    whole = len(data) - len(data) % frame_bytes  # an upload may break off inside a sample
    return soundfile.SoundFile(
        io.BytesIO(data[:whole]),
        samplerate=rate_hz,
        channels=channels,
        format="RAW",
        subtype=subtype,
        endian="LITTLE",
    )


def _check_layout(rate_hz: int, channels: int) -> None:
    if not _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ:
        raise UndecodableAudio(
            reason=f"its sample rate is {rate_hz} Hz; {_MIN_RATE_HZ} to {_MAX_RATE_HZ} can be read"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise UndecodableAudio(
            reason=f"it has {channels} channels; 1 to {MAX_CHANNELS} can be read"
        )


def _resampled(sound: soundfile.SoundFile) -> NDArray[np.float32]:
    """Decode and resample block by block; memory depends on the result, not on the file."""
    resampler = soxr.ResampleStream(sound.samplerate, SAMPLE_RATE_HZ, 1, dtype="float32")
    parts = [
        resampler.resample_chunk(block) for block in downmixed(_blocks(sound), sound.samplerate)
    ]
    parts.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
    return np.concatenate(parts)


def _blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Yield blocks, shape (≤ 2**19, channels), up to the end or the damage."""
    limit = MAX_SECONDS * sound.samplerate
    block_frames = _FLAC_BLOCK_FRAMES if sound.format == "FLAC" else _BLOCK_FRAMES
    decoded = not_finite = 0
    while True:
        try:
            block = sound.read(block_frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            break  # damaged from here on; `_check_complete` judges what came before
        if not len(block):
            break
        decoded += len(block)
        if decoded > limit:
            raise AudioTooLong(limit=f"{MAX_SECONDS // 60} minutes")
        finite = np.isfinite(block)
        not_finite += int((~finite.all(axis=1)).sum())
        # Float files may contain absurd values, which would ring through the resampler.
        yield np.clip(np.where(finite, block, np.float32(0)), -1.0, 1.0)
    if not_finite > _MAX_SHARE_NOT_FINITE * decoded:
        raise UndecodableAudio(reason=f"{not_finite} of its {decoded} samples are not numbers")
    _check_complete(decoded, sound)


def _check_complete(decoded: int, sound: soundfile.SoundFile) -> None:
    """Compare with the declared length; streaming writers declare an absurdly large one."""
    if sound.frames <= MAX_SECONDS * sound.samplerate:
        _check_share(decoded, sound.frames, "samples")


def _check_share(present: int, promised: int, unit: str) -> None:
    if present < _MIN_SHARE_DECODED * promised:
        raise UndecodableAudio(reason=f"only {present} of its {promised} {unit} are present")
    if present < promised:
        _log.warning("A recording is truncated: %d of %d %s present.", present, promised, unit)
