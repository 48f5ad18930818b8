"""Files for people and other programs: written atomically, readable by all users."""

import os
import tempfile
from pathlib import Path

_FOLDER_MODE, _FILE_MODE = 0o755, 0o644  # regardless of the umask: other users read them


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically; create missing folders.

    Raises:
        OSError: If it cannot be written; an existing file is left unchanged.
    """
    _make_folder(path.parent)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _FILE_MODE)
            partial.replace(path)
        except BaseException:
            partial.unlink()
            raise


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        parent.chmod(_FOLDER_MODE)
