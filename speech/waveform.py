"""Decode uploaded bytes to one waveform: mono, 16 kHz, float32 in [-1, 1].

The bytes take precedence over the message's declared columns: the app uploads raw little-endian
PCM16 at 24 kHz under keys that end in `.wav`. Decoding runs block by block, so a small file that
unpacks to days of audio costs a few megabytes before it is refused.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from speech.decoding.flac_frames import open_flac
from speech.decoding.headerless import why_not_samples
from speech.decoding.media_file import open_media
from speech.decoding.mpeg_frames import counted_mp3
from speech.decoding.ogg_pages import has_damaged_page
from speech.decoding.open_lengths import sized_file
from speech.decoding.sound import Sound, without_padding
from speech.decoding.sound_file import Unreadable, open_sound
from speech.downmix import downmixed
from speech.errors import AudioTooLong, DecoderMissing, UndecodableAudio
from speech.formats import FLAC, MP3, OGG, TEXT, Format, Reader, identify, junk_length

SAMPLE_RATE_HZ: Final = 16_000
MAX_SECONDS: Final = 600
MAX_BYTES: Final = 128 * 2**20  # ten minutes of 48 kHz stereo in 16 bits are 110 MiB
MAX_CHANNELS: Final = 8

MIN_RATE_HZ: Final = 4_000
MAX_RATE_HZ: Final = 192_000
# A truncated upload is decoded as far as it goes if at least this share of its declared length is
# there; the rest of a shorter one would not match the text.
_MIN_SHARE_DECODED: Final = 0.5
# Some files count the delay of their encoder.
_TOLERANCE_SECONDS: Final = 0.1
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
        DecoderMissing: If the format needs the extra `codecs`, which is not installed.
        AudioTooLong: If there are more than `MAX_BYTES` or `MAX_SECONDS`.
    """
    if not data:
        raise UndecodableAudio(reason="the file is empty")
    if len(data) > MAX_BYTES:
        raise AudioTooLong(limit=f"{MAX_BYTES // 2**20} MiB")
    sound = _open(data, encoding)
    _check_layout(sound.rate_hz, sound.channels)
    waveform = _resampled(sound)
    if not len(waveform):
        raise UndecodableAudio(reason="the file holds no samples")
    # Resampling overshoots a little at loud edges.
    return np.clip(waveform, -1.0, 1.0)


def _open(data: bytes, encoding: AudioEncoding) -> Sound:
    declared = (encoding.format or "pcm16").strip().lower()
    subtype, usual_rate_hz = _HEADERLESS.get(declared, ("", 0))
    found = identify(data)
    # One-sided G.711 can look like letters.
    if found is not None and not (found is TEXT and subtype in {"ULAW", "ALAW"}):
        return _open_file(data[junk_length(data) :], found)
    if not subtype:
        raise UndecodableAudio(reason="its format is not known")
    rate_hz = usual_rate_hz if encoding.sample_rate_hz is None else encoding.sample_rate_hz
    channels = 1 if encoding.channels is None else encoding.channels
    _check_layout(rate_hz, channels)
    frame_bytes = channels * (2 if subtype == "PCM_16" else 1)
    whole = len(data) - len(data) % frame_bytes  # an upload may break off inside a sample
    if reason := why_not_samples(data[:whole], subtype):
        raise UndecodableAudio(reason=reason)
    return open_sound(
        data[:whole],
        samplerate=rate_hz,
        channels=channels,
        format="RAW",
        subtype=subtype,
        endian="LITTLE",
    )


def _open_file(data: bytes, found: Format) -> Sound:
    if found.reader is Reader.NONE:
        raise UndecodableAudio(reason=f"it is {found.title}")
    if found is OGG and has_damaged_page(data):
        # libsndfile would lose a second there, and with it the times of what follows.
        with suppress(DecoderMissing):
            return open_media(data, demuxer=found.demuxer or "", title=found.title)
    if found.reader is Reader.SOUND_FILE:
        try:
            return _open_sound_file(data, found)
        except Unreadable:
            if found.demuxer is None:
                damaged = f"it is {found.title}, but damaged or incomplete"
                raise UndecodableAudio(reason=damaged) from None
    return open_media(data, demuxer=found.demuxer or "", title=found.title)


def _open_sound_file(data: bytes, found: Format) -> Sound:
    """Open with libsndfile a file whose header may state no length, or a wrong one."""
    if found is MP3:
        return _open_mp3(data)
    if found is FLAC:
        return open_flac(data)
    sized = sized_file(data)
    if sized is None:
        return open_sound(data)
    _check_share(sized.present_bytes, sized.declared_bytes or 0, "bytes")
    if sized.is_mp3:
        return _open_mp3(sized.data)
    sound = open_sound(sized.data)
    if sized.frames is None:
        return sound
    return replace(sound, blocks=without_padding(sound.blocks, sized.frames))


def _open_mp3(data: bytes) -> Sound:
    frames, states_length = counted_mp3(data)
    return open_sound(frames, states_length=states_length, quiet=True)


def _check_layout(rate_hz: int, channels: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UndecodableAudio(
            reason=f"its sample rate is {rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be read"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise UndecodableAudio(
            reason=f"it has {channels} channels; 1 to {MAX_CHANNELS} can be read"
        )


def _resampled(sound: Sound) -> NDArray[np.float32]:
    """Decode and resample block by block; memory depends on the result, not on the file."""
    resampler = soxr.ResampleStream(sound.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
    mono = downmixed(_blocks(sound), sound.rate_hz)
    parts = [resampler.resample_chunk(block) for block in mono]
    parts.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
    return np.concatenate(parts)


def _blocks(sound: Sound) -> Iterator[NDArray[np.float32]]:
    """Yield blocks, shape (n, channels), up to the end or the damage."""
    limit = MAX_SECONDS * sound.rate_hz
    decoded = not_finite = 0
    for block in sound.blocks:
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


def _check_complete(decoded: int, sound: Sound) -> None:
    """Compare with the declared length; streaming writers declare an absurdly large one."""
    declared = sound.declared_frames or 0
    if decoded + _TOLERANCE_SECONDS * sound.rate_hz < declared <= MAX_SECONDS * sound.rate_hz:
        _check_share(decoded, declared, "samples")


def _check_share(present: int, promised: int, unit: str) -> None:
    if present < _MIN_SHARE_DECODED * promised:
        raise UndecodableAudio(reason=f"only {present} of its {promised} {unit} are present")
    if present < promised:
        _log.warning("A recording is truncated: %d of %d %s present.", present, promised, unit)
