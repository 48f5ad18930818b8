"""Recognise the audio format from the bytes alone.

Declared formats cannot be trusted: raw PCM is uploaded under names that end in `.wav`.
"""

from typing import Final

_SIGNATURES: Final = (b"RIFF", b"RIFX", b"RF64", b"OggS", b"fLaC", b"FORM", b"caff", b".snd")

# ISO 11172-3, table of bit rates in kbit/s for layer III: MPEG-1, then MPEG-2 and 2.5.
_KBITS: Final = (
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
# Raw PCM can begin like one MPEG frame (0xFF 0xFB is the sample -1025). Three headers of the same
# version and rate, each at the offset that the previous one implies, do not occur by chance.
_FRAMES_TO_BELIEVE: Final = 3


def has_container(data: bytes) -> bool:
    """Return whether the bytes describe their own format, so that no declaration is needed."""
    return data.startswith(_SIGNATURES) or is_mp3(data)


def promised_bytes(data: bytes) -> int | None:
    """Return the file length declared in the RIFF header; None without one.

    Streaming writers leave the size at 0 or near 2³¹ or 2³²; such sizes count as undeclared.
    """
    if data[:4] != b"RIFF" or len(data) < 8:
        return None
    size = int.from_bytes(data[4:8], "little")
    return size + 8 if 0 < size < 0x7FFF0000 else None


def is_mp3(data: bytes) -> bool:
    """Return whether this is MPEG layer III audio, with or without an ID3v2 tag in front."""
    position = _id3_length(data)
    wanted = _FRAMES_TO_BELIEVE
    kinds: set[int] = set()
    while wanted and position < len(data):
        length = _frame_length(data[position : position + 4])
        if length is None:
            return False
        # Sync, version, layer and sample rate stay the same from frame to frame.
        kinds.add(data[position + 1] & 0xFE | (data[position + 2] & 0x0C) << 8)
        position += length
        wanted -= 1
    # A short file may end before the third header; a single frame is never enough.
    return len(kinds) == 1 and wanted < _FRAMES_TO_BELIEVE - 1


def _id3_length(data: bytes) -> int:
    """Return the length of an ID3v2 tag at the start; its size is four groups of seven bits."""
    if len(data) < 10 or data[:3] != b"ID3" or max(data[6:10]) > 0x7F:
        return 0
    size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
    return 10 + size


def _frame_length(header: bytes) -> int | None:
    """Return the length of the layer III frame with this header; None if it is not one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbits, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer != 1 or not 1 <= kbits <= 14 or rate == 3:
        return None
    is_mpeg1 = version == 3
    samples = 144 if is_mpeg1 else 72  # samples per frame, divided by eight bits per byte
    bits = _KBITS[0 if is_mpeg1 else 1][kbits - 1] * 1000
    return samples * bits // _RATES_HZ[version][rate] + padding
