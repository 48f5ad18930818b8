"""Paths of the acoustic model and dictionary in the pocketsphinx wheel (BSD)."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from speech.errors import EngineFailure

_FOLDER: Final = "pocketsphinx/model/en-us"


def wheel_path(name: str) -> Path:
    """Return the path of a file or folder of its English model, without loading its library.

    Raises:
        EngineFailure: If the wheel is not installed.
    """
    try:
        wheel = distribution("pocketsphinx")
    except PackageNotFoundError as error:
        raise EngineFailure(reason="the package pocketsphinx is not installed") from error
    return Path(str(wheel.locate_file(f"{_FOLDER}/{name}")))
