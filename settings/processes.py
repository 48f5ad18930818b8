"""Environment of child processes."""

import os


def limit_blas_threads() -> None:
    """Limit each process started from now on to one BLAS thread.

    Workers already use every core: with more threads, CPU time rises about fivefold, and on
    machines with many cores their buffers alone exceed a worker's memory limit.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
