"""Check the pages of an Ogg file against their checksums (RFC 3533)."""

import zlib
from typing import Final

_HEADER_BYTES: Final = 27
_CHECKSUM: Final = slice(22, 26)
# The checksum is zlib's with the bits of every byte, and of the result, in the other order.
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def has_damaged_page(data: bytes) -> bool:
    """Return whether a page does not match its checksum; a last page that is cut does not count."""
    at = 0
    while at + _HEADER_BYTES <= len(data):
        body = at + _HEADER_BYTES + data[at + 26]
        end = body + sum(data[at + _HEADER_BYTES : body])
        if end > len(data):
            return False
        page = bytearray(data[at:end])
        stated, page[_CHECKSUM] = page[_CHECKSUM], bytes(4)
        if page[:4] != b"OggS" or _checksum(page) != stated:
            return True
        at = end
    return False


def _checksum(page: bytearray) -> bytes:
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_MIRRORED)
