"""Read model files: `.npz` archives of arrays, named by the beginning of their SHA-256."""

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
    try:
        with np.load(path, allow_pickle=False) as archive:
            return build(dict(archive))
    except (OSError, EOFError, KeyError, IndexError, ValueError, zipfile.BadZipFile) as error:
        raise DamagedModel(path.name, error) from error


def file_version(path: Path) -> str:
    """Return the version that a file gives to its model.

    Raises:
        DamagedModel: If the file is missing.
    """
    try:
        return sha256(path.read_bytes()).hexdigest()[:_VERSION_DIGITS]
    except OSError as error:
        raise DamagedModel(path.name, error) from error
