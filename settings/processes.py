"""What child processes must find in their environment."""

import os


def limit_blas_threads() -> None:
    """Let each process started from now on use one BLAS thread.

    Workers already use every core; with more threads CPU time rises about five times, and on a
    machine of many cores their buffers alone exceed a worker's memory limit.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
