"""Read what libsndfile reads, from start to end and without seeking."""

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.decoding.sound import Sound

_BLOCK_FRAMES: Final = 2**15


class Unreadable(Exception):
    """libsndfile cannot open the file."""


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # it ships no types
    """A file that is never seeked in.

    soundfile seeks after every read. In a stream of unknown length that fails and loses what was
    read, and libmpg123 complains about it on stderr.
    """

    def seekable(self) -> bool:
        return False


class _Bytes(io.BytesIO):
    """A file in memory that stays where it is when a damaged header points before its start."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def open_sound(data: bytes, *, states_length: bool = True, **encoding: Any) -> Sound:  # noqa: ANN401
    """Open a recording.

    Args:
        data: The file.
        states_length: Whether the file states its length; otherwise libsndfile's is an estimate.
        encoding: Of headerless samples, as soundfile takes it.

    Raises:
        Unreadable: If libsndfile cannot open it.
    """
    try:
        file = _Sequential(_Bytes(data), **encoding)
    except soundfile.LibsndfileError as error:
        raise Unreadable from error
    return Sound(
        rate_hz=file.samplerate,
        channels=file.channels,
        declared_frames=file.frames if states_length else None,
        blocks=_blocks(file),
    )


def _blocks(file: _Sequential) -> Iterator[NDArray[np.float32]]:
    with file:
        while True:
            # Where the file is damaged, libsndfile does not return how much came before.
            block = np.full((_BLOCK_FRAMES, file.channels), np.nan, np.float32)
            try:
                frames = file.buffer_read_into(block, dtype="float32")
            except soundfile.LibsndfileError:
                missing = np.isnan(block).all(axis=1)
                yield block[: int(missing.argmax()) if missing.any() else len(block)]
                return
            if not frames:
                return
            yield block[:frames]
