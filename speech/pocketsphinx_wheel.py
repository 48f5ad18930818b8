"""What is taken from the pocketsphinx wheel: its acoustic model and its dictionary (BSD)."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from speech.errors import EngineFailure

_FOLDER: Final = "pocketsphinx/model/en-us"


def wheel_path(name: str) -> Path:
    """Where a file or folder of its English model lies; its library stays unloaded.

    Raises:
        EngineFailure: If the wheel is not installed.
    """
    try:
        wheel = distribution("pocketsphinx")
    except PackageNotFoundError as error:
        raise EngineFailure(reason="the package pocketsphinx is not installed") from error
    return Path(str(wheel.locate_file(f"{_FOLDER}/{name}")))
