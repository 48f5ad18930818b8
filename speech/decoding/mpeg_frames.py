"""Frames of MPEG audio (layers I to III), ADTS, LOAS and AC-3: recognise and count them.

Each frame begins with a header that gives its length, so a run of frames cannot occur by chance.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

# Headers of the same kind, each at the offset that the previous one implies. One is not enough: raw
# PCM can begin like a frame (0xFF 0xFB is the sample -1025).
_FRAMES_TO_BELIEVE: Final = 3
_FRAMES_BEHIND_JUNK: Final = 6  # there are many places to look at
_MIN_FRAMES: Final = 2  # libmpg123 reads the second before the first
_MAX_JUNK_BYTES: Final = 2**16

# ISO 11172-3 and 13818-3: bit rates in kbit/s by (is MPEG-1, layer).
_HALF_RATES: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBITS: Final = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _HALF_RATES,
    (False, 3): _HALF_RATES,
}
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
# ATSC A/52, table 5.18 and annex E: kbit/s of an AC-3 frame, which has 1,536 samples.
_AC3_KBITS: Final = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip
_AC3_RATES_HZ: Final = (48000, 44100, 32000)
_LAST_AC3, _LAST_EAC3 = 10, 16  # the identification of a bit stream, `bsid`
_LAYER_3: Final = 1  # as coded in a header
_SYNC: Final = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xeb])")

# Offset of a Xing or Info header behind the frame header: the side information by (is MPEG-1,
# is mono). A VBRI header (Fraunhofer) is always at the same place.
_SIDE_BYTES: Final = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
_VBRI_AT: Final = 36
_STATES_COUNT, _STATES_BYTES = 1, 2  # flags of a Xing header


@dataclass(frozen=True, slots=True)
class _Header:
    """Facts of one frame: its length, and what is the same in every frame of a stream."""

    length: int
    kind: int


_ReadHeader = Callable[[bytes, int], _Header | None]


def is_mp3(data: bytes) -> bool:
    """Return whether this is MPEG audio, whatever tags or junk are in front."""
    return _first_frame(data) is not None


def is_adts(data: bytes) -> bool:
    """Return whether this is AAC in ADTS frames, with or without an ID3v2 tag in front."""
    return _is_run(data, id3_length(data), _adts_header, _FRAMES_TO_BELIEVE)


def is_loas(data: bytes) -> bool:
    """Return whether this is AAC in LOAS frames, as in digital television."""
    return _is_run(data, 0, _loas_header, _FRAMES_TO_BELIEVE)


def is_ac3(data: bytes) -> bool:
    """Return whether this is AC-3 (Dolby Digital)."""
    return _is_run(data, 0, _ac3_header, _FRAMES_TO_BELIEVE)


def is_eac3(data: bytes) -> bool:
    """Return whether this is E-AC-3 (Dolby Digital Plus)."""
    return _is_run(data, 0, _eac3_header, _FRAMES_TO_BELIEVE)


def id3_length(data: bytes) -> int:
    """Return the length of an ID3v2 tag at the start; its size is four groups of seven bits."""
    if len(data) < 10 or data[:3] != b"ID3" or max(data[6:10]) > 0x7F:
        return 0
    size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
    return 10 + size


def counted_mp3(data: bytes) -> tuple[bytes, bool]:
    """Return the frames alone, behind a header that states their number if the file's does not.

    Without such a header a decoder estimates the length from the bit rate, and stops there. Tags
    and junk are left out.

    Returns:
        The frames, none if there are not at least two, and whether the file itself states a length
        of at least as many.
    """
    start = _first_frame(data)
    frames = [] if start is None else [data[a:b] for a, b in _frames(data, start)]
    if len(frames) < _MIN_FRAMES:
        return b"", False
    if frames[0][1] >> 1 & 3 != _LAYER_3:
        return b"".join(frames), False  # its bit rate is constant
    stated_at = _count_offset(frames[0])
    if stated_at is None:
        return b"".join([_count_frame(frames[0], len(frames)), *frames]), False
    # The header's own frame is not counted.
    present = len(frames) - 1
    stated = int.from_bytes(frames[0][stated_at : stated_at + 4], "big")
    head = bytearray(frames[0])
    head[stated_at : stated_at + 4] = max(stated, present).to_bytes(4, "big")
    if stated_at < _VBRI_AT + 14 and frames[0][stated_at - 1] & _STATES_BYTES:
        # libmpg123 complains on stderr if it is not what follows.
        head[stated_at + 4 : stated_at + 8] = sum(map(len, frames)).to_bytes(4, "big")
    return b"".join([head, *frames[1:]]), stated >= present


def _first_frame(data: bytes) -> int | None:
    """Return the offset of the first frame of MPEG audio; None if there is none."""
    start = id3_length(data)
    if _is_run(data, start, _mpeg_header, _FRAMES_TO_BELIEVE):
        return start
    for sync in _SYNC.finditer(data, start, start + _MAX_JUNK_BYTES):
        if _is_run(data, sync.start(), _mpeg_header, _FRAMES_BEHIND_JUNK):
            return sync.start()
    return None


def _is_run(data: bytes, position: int, read: _ReadHeader, wanted: int) -> bool:
    found, kinds = 0, set()
    while found < wanted and position < len(data):
        header = read(data, position)
        if header is None:
            return False
        kinds.add(header.kind)
        position += header.length
        found += 1
    # A short file may end early, but a single frame is never enough.
    return len(kinds) == 1 and found > 1 and (found == wanted or wanted == _FRAMES_TO_BELIEVE)


def _frames(data: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of every frame, also of those behind junk."""
    kind: int | None = None
    while position < len(data):
        header = _mpeg_header(data, position)
        if header is not None and kind in {None, header.kind}:
            kind = header.kind
            yield position, position + header.length
            position += header.length
            continue
        position = _next_run(data, position + 1, kind)


def _next_run(data: bytes, position: int, kind: int | None) -> int:
    """Return the offset of the next two frames of this kind; the end if there are none."""
    for sync in _SYNC.finditer(data, position):
        header = _mpeg_header(data, sync.start())
        if header is None or header.kind != kind:
            continue
        following = _mpeg_header(data, sync.start() + header.length)
        if following is not None and following.kind == kind:
            return sync.start()
    return len(data)


def _mpeg_header(data: bytes, at: int) -> _Header | None:
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kbits, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or not 1 <= kbits <= 14 or rate == 3:
        return None
    # Sync, version, layer and sample rate stay the same from frame to frame.
    kind = header[1] & 0xFE | (header[2] & 0x0C) << 8
    return _Header(_mpeg_length(version, layer, kbits, rate, padding), kind)


def _mpeg_length(version: int, layer: int, kbits: int, rate: int, padding: int) -> int:
    bits = _KBITS[version == 3, layer][kbits - 1] * 1000
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    # Samples per frame, divided by eight bits per byte.
    return (72 if layer == 3 and version != 3 else 144) * bits // rate_hz + padding


def _adts_header(data: bytes, at: int) -> _Header | None:
    header = data[at : at + 7]
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if length < 7 or header[2] >> 2 & 15 > 12:
        return None
    return _Header(length, header[1] << 8 | header[2] & 0xFD)


def _loas_header(data: bytes, at: int) -> _Header | None:
    header = data[at : at + 3]
    if len(header) < 3 or header[0] != 0x56 or header[1] & 0xE0 != 0xE0:
        return None
    return _Header(3 + ((header[1] & 0x1F) << 8 | header[2]), 0)


def _ac3_header(data: bytes, at: int) -> _Header | None:
    if data[at : at + 2] != b"\x0b\x77" or at + 6 > len(data):
        return None
    rate, size = data[at + 4] >> 6, data[at + 4] & 0x3F
    if rate >= len(_AC3_RATES_HZ) or size // 2 >= len(_AC3_KBITS):
        return None
    if data[at + 5] >> 3 > _LAST_AC3:
        return None
    rate_hz = _AC3_RATES_HZ[rate]
    words = 96_000 * _AC3_KBITS[size // 2] // rate_hz
    padding = size % 2 if rate_hz == 44_100 else 0
    return _Header(2 * (words + padding), rate)


def _eac3_header(data: bytes, at: int) -> _Header | None:
    if data[at : at + 2] != b"\x0b\x77" or at + 6 > len(data):
        return None
    if not _LAST_AC3 < data[at + 5] >> 3 <= _LAST_EAC3:
        return None
    words = ((data[at + 2] & 0x07) << 8 | data[at + 3]) + 1
    return _Header(2 * words, data[at + 4] >> 6)


def _count_offset(frame: bytes) -> int | None:
    """Return the offset of the number of frames in a Xing, Info or VBRI header."""
    if frame[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        return _VBRI_AT + 14
    at = 4 + _side_bytes(frame)
    is_xing = frame[at : at + 4] in {b"Xing", b"Info"} and len(frame) >= at + 16
    return at + 8 if is_xing and frame[at + 7] & _STATES_COUNT else None


def _side_bytes(frame: bytes) -> int:
    return _SIDE_BYTES[frame[1] & 0x08 != 0, frame[3] >> 6 == 3]


def _count_frame(frame: bytes, count: int) -> bytes:
    """Return a frame that holds a Xing header for `count` frames like this one."""
    at = 4 + _side_bytes(frame)
    # Of the same kind, without a checksum, at 64 kbit/s or more: long enough at every sample rate.
    head = bytes([frame[0], frame[1] | 1, 0x80 | frame[2] & 0x0C, frame[3]])
    header = _mpeg_header(head, 0)
    length = 0 if header is None else header.length
    stated = bytes(at - 4) + b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return (head + stated).ljust(length, b"\0")
