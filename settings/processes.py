"""Environment of child processes."""

import os
import sys

from settings.environment import HostSettings

_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
# Analysis processes are forked from one that has a single thread, which is safe on macOS too.
_MAC_MAY_FORK = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}


def limit_blas_threads() -> None:
    """Limit each process started from now on to one BLAS thread.

    Workers already use every core: with more threads, CPU time rises about fivefold, and on
    machines with many cores their buffers alone exceed a worker's memory limit.
    """
    os.environ.update(_ONE_BLAS_THREAD)


def analysis_environment() -> dict[str, str]:
    """Return the whole environment of analysis processes: nothing of this process's secrets."""
    host = HostSettings().model_dump(by_alias=True, exclude_none=True)
    return host | _ONE_BLAS_THREAD | (_MAC_MAY_FORK if sys.platform == "darwin" else {})
