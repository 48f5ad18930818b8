"""The complete environment of the local stack's servers and workers."""

import sys
from pathlib import Path

from local.ports import HOST
from local.private_files import make_private
from settings.environment import HostSettings


def child_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return a small environment that does not depend on the user's.

    It leaves out proxies, which loopback must not use, `PREFECT_*` and `AWS_*`, which may name
    other servers, the user's `PYTHON*`, and HOME, whose dot files configure many libraries.
    """
    home = make_private(folder / "home")
    inherited = HostSettings().model_dump(by_alias=True, exclude_none=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONSAFEPATH": "1",  # do not import from the working directory
        "NO_PROXY": f"{HOST},localhost",
        "OPENBLAS_NUM_THREADS": "1",  # analysis runs in processes; more threads slow it down
        **inherited,
        **variables,
    }
