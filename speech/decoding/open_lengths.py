"""Lengths of WAV, CAF, AU and AIFF files, which many writers leave open or wrong.

A recorder that streams cannot know the length when it writes the header; one that is stopped never
comes back to correct it. One that corrects it now and then leaves it too small. The samples are
what counts: they run from the header to the end of the file, or to where the next chunk begins.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from speech.errors import UndecodableAudio

_RIFF: Final = (b"RIFF", b"RF64", b"BW64")
# Recorders that stream write 2³¹ or 2³², or a little less. Recordings of 128 MiB are not accepted.
_PLACEHOLDER: Final = 2**27
_AU: Final = (b".snd", b"dns.")
_AIFF: Final = (b"AIFF", b"AIFC")
_MP3_IN_WAV: Final = b"\x55\0"
_IN_DS64: Final = 0xFFFFFFFF
_TAGS: Final = (b"TAG", b"ID3", b"APETAGEX")
# Also where a file was cut inside of them.
_CHUNKS_BEHIND_SAMPLES: Final = {
    b"LIST", b"bext", b"iXML", b"fact", b"cue ", b"smpl", b"inst", b"PEAK", b"JUNK", b"junk",
    b"_PMX", b"axml", b"chna", b"id3 ", b"afsp", b"plst", b"umid", b"info", b"strg", b"free",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SizedFile:
    """A file whose sizes are right.

    Attributes:
        data: The file.
        present_bytes: Bytes of samples that are there.
        declared_bytes: Bytes of samples that the header stated; None if it stated none.
        frames: Frames that a compressed file states, without the padding of the last block.
        is_mp3: Whether `data` is the MP3 file that was inside a WAV file.
    """

    data: bytes
    present_bytes: int
    declared_bytes: int | None
    frames: int | None = None
    is_mp3: bool = False


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    start: int
    size: int


def sized_file(data: bytes) -> SizedFile | None:
    """Return a WAV, CAF or AU file with its true sizes; None for any other.

    An AIFF file is returned only if its size is too small; libsndfile mends the others.

    Raises:
        UndecodableAudio: If the header is incomplete or there is no chunk of samples.
    """
    if data[:4] in _RIFF:
        return _sized_wave(data)
    if data[:4] == b"caff":
        return _sized_caf(data)
    if data[:4] == b"FORM" and data[8:12] in _AIFF:
        return _sized_aiff(data)
    return _sized_au(data) if data[:4] in _AU else None


def _sized_wave(data: bytes) -> SizedFile:
    """Return a WAV file of the same samples, with only the chunks that matter."""
    chunks: dict[bytes, _Chunk] = {}
    for chunk in _chunks(data):
        chunks.setdefault(chunk.name, chunk)
        if chunk.name == b"data":
            break
    if b"fmt " not in chunks or b"data" not in chunks:
        raise UndecodableAudio(reason="its WAV header is incomplete")
    samples = chunks[b"data"]
    rest = len(data) - samples.start
    declared = _declared_bytes(data, chunks)
    if declared is not None and not _may_end(data, samples.start + declared, "little"):
        declared = None
    present = rest if declared is None else min(rest, declared)
    kept = [chunks[name] for name in (b"fmt ", b"fact") if name in chunks]
    if data[chunks[b"fmt "].start :][:2] == _MP3_IN_WAV:
        return SizedFile(
            data[samples.start : samples.start + present], present, declared, is_mp3=True
        )
    header = b"".join(
        _written(chunk.name, data[chunk.start : chunk.start + chunk.size]) for chunk in kept
    )
    body = header + b"data" + struct.pack("<I", present)
    riff = b"RIFF" + struct.pack("<I", 4 + len(body) + present) + b"WAVE"
    end = samples.start + present
    sized = b"".join([riff, body, data[samples.start : end]])
    return SizedFile(sized, present, declared, _stated_frames(data, chunks))


def _sized_caf(data: bytes) -> SizedFile:
    """Return a CAF file whose length of samples is stated and not beyond its end."""
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 12], "big", signed=True)
        if data[at : at + 4] == b"data":
            rest = len(data) - at - 12
            declared = size if 0 < size < _PLACEHOLDER else None
            if declared is not None and not _may_end(data, at + 12 + declared, "big", 8):
                declared = None
            present = rest if declared is None else min(rest, declared)
            sized = data[: at + 4] + struct.pack(">q", present) + data[at + 12 :]
            return SizedFile(sized, present, declared)
        at += 12 + max(size, 0)
    raise UndecodableAudio(reason="its CAF header is incomplete")


def _sized_au(data: bytes) -> SizedFile:
    """Return an AU file that leaves its length open; streaming recorders also write 0."""
    order: Literal["big", "little"] = "big" if data[:4] == b".snd" else "little"
    start, size = (int.from_bytes(data[at : at + 4], order) for at in (4, 8))
    rest = max(len(data) - start, 0)
    declared = size if 0 < size < _PLACEHOLDER else None
    behind = data[start + size :]
    if behind.strip(b"\0") and not behind.startswith(_TAGS):
        declared = None
    sized = data[:8] + b"\xff" * 4 + data[12:] if declared is None else data
    return SizedFile(sized, rest if declared is None else min(rest, declared), declared)


def _sized_aiff(data: bytes) -> SizedFile | None:
    samples = next((chunk for chunk in _chunks(data, "big") if chunk.name == b"SSND"), None)
    if samples is None or not samples.size or _may_end(data, samples.start + samples.size, "big"):
        return None
    rest = len(data) - samples.start
    sized = data[: samples.start - 4] + struct.pack(">I", rest) + data[samples.start :]
    return SizedFile(sized, rest, None)


def _chunks(data: bytes, order: Literal["big", "little"] = "little") -> Iterator[_Chunk]:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], order)
        yield _Chunk(data[at : at + 4], at + 8, size)
        at += 8 + size + size % 2


def _declared_bytes(data: bytes, chunks: dict[bytes, _Chunk]) -> int | None:
    samples = chunks[b"data"]
    size = samples.size
    if size == _IN_DS64 and b"ds64" in chunks:
        at = chunks[b"ds64"].start + 8
        size = int.from_bytes(data[at : at + 8], "little")
    if size == 0:
        return 0 if _is_chunk_list(data, samples.start) else None
    return size if size < _PLACEHOLDER else None


def _may_end(
    data: bytes, end: int, order: Literal["big", "little"], size_bytes: Literal[4, 8] = 4
) -> bool:
    """Return whether samples can end here: before a chunk, a tag, zeros or the end of the file.

    Chunks begin at even offsets in a WAV file, but not every writer keeps to that.
    """
    if end + end % 2 >= len(data) or not data[end:].strip(b"\0"):
        return True
    return any(_is_chunk(data, at, order, size_bytes) for at in {end, end + end % 2})


def _is_chunk(
    data: bytes, at: int, order: Literal["big", "little"], size_bytes: Literal[4, 8]
) -> bool:
    name = data[at : at + 4]
    if name in _CHUNKS_BEHIND_SAMPLES or data.startswith(_TAGS, at):
        return True
    size = int.from_bytes(data[at + 4 : at + 4 + size_bytes], order)
    fits = at + 4 + size_bytes + size <= len(data)
    return len(data) >= at + 4 + size_bytes and fits and _is_printable(name)


def _is_printable(name: bytes) -> bool:
    return name.isascii() and name.decode("ascii").isprintable()


def _stated_frames(data: bytes, chunks: dict[bytes, _Chunk]) -> int | None:
    if b"fact" not in chunks:
        return None
    at = chunks[b"fact"].start
    return int.from_bytes(data[at : at + 4], "little") or None


def _is_chunk_list(data: bytes, start: int) -> bool:
    """Return whether chunks with plausible names fill the file from here to its end exactly."""
    at = start
    while at + 8 <= len(data):
        name = data[at : at + 4]
        if not _is_printable(name):
            return False
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return len(data) - 1 <= at <= len(data) + 1


def _written(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
