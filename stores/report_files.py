"""Files for people and other programs: written atomically, readable by all users."""

import glob
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

ABANDONED_SECONDS = 86_400
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644  # regardless of the umask: other users read them


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically; create missing folders.

    Raises:
        OSError: If it cannot be written; an existing file is left unchanged.
    """
    _make_folder(path.parent)
    prefix = f".{path.name}."
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _FILE_MODE)
            os.fsync(file.fileno())  # network filesystems say only now that they are full
            remove_abandoned(partial, prefix)
            partial.replace(path)
        except BaseException:
            partial.unlink()
            raise


def remove_abandoned(ours: Path, prefix: str) -> None:
    """Remove files and folders beside `ours` that killed processes left, a day old or older.

    Args:
        ours: A new file or folder; its time is the filesystem's now.
        prefix: How the names of temporary files and folders begin.
    """
    now = ours.stat().st_mtime
    for left in ours.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):  # another process removes it, too
            if now - left.stat().st_mtime < ABANDONED_SECONDS:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        parent.chmod(_FOLDER_MODE)
