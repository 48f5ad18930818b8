"""Read model files: `.npz` archives of arrays, named by the beginning of their SHA-256."""

import io
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from speech.errors import DamagedModel

MODELS: Final = Path(__file__).parent / "models"  # those that ship with this package

_VERSION_DIGITS: Final = 8

Arrays = dict[str, NDArray[Any]]
Model = TypeVar("Model")


def read_model(path: Path, build: Callable[[Arrays], Model]) -> Model:
    """Build a model from the arrays of a file.

    Raises:
        DamagedModel: If the file is missing, incomplete or of another kind.
    """
    return read_versioned(path, lambda arrays, _: build(arrays))


def read_versioned(path: Path, build: Callable[[Arrays, str], Model]) -> Model:
    """Build a model from the arrays of a file and its version; see `file_version`.

    Raises:
        DamagedModel: If the file is missing, incomplete or of another kind.
    """
    content = _content(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return build(dict(archive), _version(content))
    except (OSError, EOFError, KeyError, IndexError, ValueError, zipfile.BadZipFile) as error:
        raise DamagedModel(path.name, error) from error


def file_version(path: Path) -> str:
    """Return the version that a file gives to its model.

    Raises:
        DamagedModel: If the file is missing.
    """
    return _version(_content(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedModel(path.name, error) from error


def _version(content: bytes) -> str:
    return sha256(content).hexdigest()[:_VERSION_DIGITS]
