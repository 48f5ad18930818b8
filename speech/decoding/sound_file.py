"""Read what libsndfile reads, from start to end and without seeking."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.decoding.sound import Sound

_BLOCK_FRAMES: Final = 2**15
_STDERR: Final = 2


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


def open_sound(
    data: bytes,
    *,
    states_length: bool = True,
    quiet: bool = False,
    **encoding: Any,  # noqa: ANN401
) -> Sound:
    """Open a recording.

    Args:
        data: The file.
        states_length: Whether the file states its length; otherwise libsndfile's is an estimate.
        quiet: Whether to keep what the decoder prints off stderr.
        encoding: Of headerless samples, as soundfile takes it.

    Raises:
        Unreadable: If libsndfile cannot open it.
    """
    calm = _without_stderr if quiet else nullcontext
    try:
        with calm():
            file = _Sequential(_Bytes(data), **encoding)
    except soundfile.LibsndfileError as error:
        raise Unreadable from error
    return Sound(
        rate_hz=file.samplerate,
        channels=file.channels,
        declared_frames=file.frames if states_length else None,
        blocks=_blocks(file, calm),
    )


def _blocks(
    file: _Sequential, calm: Callable[[], AbstractContextManager[None]]
) -> Iterator[NDArray[np.float32]]:
    with file:
        while True:
            # Where the file is damaged, libsndfile does not return how much came before.
            block = np.full((_BLOCK_FRAMES, file.channels), np.nan, np.float32)
            try:
                with calm():
                    frames = file.buffer_read_into(block, dtype="float32")
            except soundfile.LibsndfileError:
                missing = np.isnan(block).all(axis=1)
                yield block[: int(missing.argmax()) if missing.any() else len(block)]
                return
            if not frames:
                return
            yield block[:frames]


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard what is written to this process's stderr; libmpg123 complains there about damage."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # not allowed here
        yield
        return
    try:
        saved = os.dup(_STDERR)
    except OSError:  # closed
        os.close(null)
        yield
        return
    try:
        os.dup2(null, _STDERR)
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)
        os.close(null)
