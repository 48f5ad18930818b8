"""Find the frames of a damaged FLAC file, so that only the damaged ones are lost.

libsndfile stops at the first damaged frame. Every frame states its position and has a checksum of
its header (RFC 9639), so decoding can continue with the next.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.decoding.sound import Sound
from speech.decoding.sound_file import Unreadable, open_sound

_SYNC: Final = re.compile(rb"\xff[\xf8\xf9]")
_STREAM_INFO_BYTES: Final = 34
_STREAM_INFO_AT: Final = 8
# Of the block that contains STREAMINFO as the last block of metadata.
_ONLY_BLOCK: Final = b"fLaC\x80\x00\x00\x22"
_MAX_RESTARTS: Final = 50
_MAX_LOST_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class _Frame:
    offset: int
    first_sample: int


def open_flac(data: bytes) -> Sound:
    """Open a FLAC file; damaged frames become silence.

    Raises:
        Unreadable: If libsndfile cannot open it.
    """
    sound = open_sound(data)
    return Sound(sound.rate_hz, sound.channels, sound.declared_frames, _blocks(data, sound))


def _blocks(data: bytes, sound: Sound) -> Iterator[NDArray[np.float32]]:
    position, rest = 0, sound
    for _ in range(_MAX_RESTARTS):
        for block in rest.blocks:
            yield block
            position += len(block)
        if position == sound.declared_frames:
            return
        frame = _next_frame(data, position)
        if frame is None or frame.first_sample - position > _MAX_LOST_SECONDS * sound.rate_hz:
            return
        lost = frame.first_sample - position
        yield np.zeros((lost, sound.channels), np.float32)
        position += lost
        try:
            rest = open_sound(_from_frame(data, frame))
        except Unreadable:
            return


def _from_frame(data: bytes, frame: _Frame) -> bytes:
    info = bytearray(data[_STREAM_INFO_AT : _STREAM_INFO_AT + _STREAM_INFO_BYTES])
    info[13] &= 0xF0  # of 36 bits that count the samples
    info[14:18] = bytes(4)
    return b"".join([_ONLY_BLOCK, info, data[frame.offset :]])


def _next_frame(data: bytes, position: int) -> _Frame | None:
    """Return the first frame that begins behind the sample at `position`."""
    for sync in _SYNC.finditer(data, _STREAM_INFO_AT + _STREAM_INFO_BYTES):
        first_sample = _first_sample(data, sync.start())
        if first_sample is not None and first_sample > position:
            return _Frame(sync.start(), first_sample)
    return None


def _first_sample(data: bytes, at: int) -> int | None:
    """Return the position of the frame whose header is here; None if it is not a valid header."""
    if len(data) < at + 16:
        return None
    size_code, rate_code = data[at + 2] >> 4, data[at + 2] & 15
    if size_code == 0 or rate_code == 15 or data[at + 3] >> 4 > 10 or data[at + 3] & 1:
        return None
    number_bytes = max(8 - (data[at + 4] ^ 0xFF).bit_length(), 1)
    if number_bytes > 7:
        return None
    number = data[at + 4] & (0x7F >> (number_bytes if number_bytes > 1 else 0))
    for byte in data[at + 5 : at + 4 + number_bytes]:
        number = number << 6 | byte & 0x3F
    end = at + 4 + number_bytes + {6: 1, 7: 2}.get(size_code, 0)
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if _crc8(data[at:end]) != data[end]:
        return None
    is_variable = data[at + 1] & 1
    return number if is_variable else number * int.from_bytes(data[10:12], "big")


def _crc8(header: bytes) -> int:
    crc = 0
    for byte in header:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
