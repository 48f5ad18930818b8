"""The environment that servers and workers of the local stack get: this and nothing else."""

import sys
from pathlib import Path

from local.ports import HOST
from settings.environment import HostSettings


def child_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return a small environment that does not depend on the user's.

    Left out on purpose: proxies, which loopback must not use, `PREFECT_*` and `AWS_*`, which would
    lead elsewhere, the user's `PYTHON*`, and HOME, whose dot files configure half of the libraries.
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    inherited = HostSettings().model_dump(by_alias=True, exclude_none=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONSAFEPATH": "1",  # no module is found in the folder a server happens to run in
        "NO_PROXY": f"{HOST},localhost",
        "OPENBLAS_NUM_THREADS": "1",  # analysis workers are processes; threads on top of them cost
        **inherited,
        **variables,
    }
