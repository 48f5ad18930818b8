"""Read a little-endian binary file sequentially, within limits."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.errors import EngineFailure

_MAX_FILE_BYTES: Final = 2**24
_MAX_LINES: Final = 20  # of an `s3` header


class BinaryFile:
    """A file of the acoustic model; a read past its end raises EngineFailure with its name."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self.expect(path.stat().st_size <= _MAX_FILE_BYTES, "it is too large")
            self._data = path.read_bytes()
        except OSError as error:
            raise EngineFailure(reason=self._complaint("it cannot be read")) from error
        self._position = 0

    def expect(self, holds: Any, complaint: str) -> None:  # noqa: ANN401 - numpy's bools too
        """Raise EngineFailure with this complaint unless `holds` is true."""
        if not holds:
            raise EngineFailure(reason=self._complaint(complaint))

    def integers(self, count: int) -> tuple[int, ...]:
        """Read 32-bit integers."""
        return tuple(self.array("<i4", count).tolist())

    def array(self, dtype: np.dtype[Any] | str, count: int) -> NDArray[Any]:
        """Read an array, shape (count,), read-only."""
        kind = np.dtype(dtype)
        room = (len(self._data) - self._position) // kind.itemsize
        self.expect(0 <= count <= room, "it is truncated")
        values: NDArray[Any] = np.frombuffer(self._data, kind, count, self._position)
        self._position += values.nbytes
        return values

    def strings(self, count: int) -> tuple[str, ...]:
        """Read zero-terminated strings, padded together to a multiple of 4 bytes."""
        begin = self._position
        parts = self._data[begin:].split(b"\0", count)[:-1]
        self.expect(len(parts) == count, "it is truncated")
        length = sum(map(len, parts)) + count
        self.array("u1", length + -length % 4)
        return tuple(part.decode("ascii", "replace") for part in parts)

    def skip_text(self, last_line: bytes) -> None:
        """Skip a text header up to and including `last_line`."""
        lines = self._data[:4_096].split(b"\n", _MAX_LINES)[:-1]
        self.expect(last_line in lines, "its header has no end")
        header = lines[: lines.index(last_line) + 1]
        self._position = sum(map(len, header)) + len(header)

    def _complaint(self, complaint: str) -> str:
        return f"the acoustic model's file {self._name} cannot be used: {complaint}"
