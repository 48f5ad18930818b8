"""Whether this process shall stop. A signal interrupts only its main thread; others ask here."""

import signal
import threading

from schema.errors.base import RunStopped

_requested = threading.Event()


def request() -> None:
    """Tell the threads of this process to stop."""
    _requested.set()


def begin() -> None:
    """Begin a run in this process: nothing shall stop yet, and Ctrl-C interrupts every wait.

    Polars installs a handler of Ctrl-C after which a wait for a lock continues as if nothing had
    happened.
    """
    _requested.clear()
    signal.siginterrupt(signal.SIGINT, True)


def is_requested() -> bool:
    """Return whether the current thread shall stop; never the main one, which the signal ended."""
    return _requested.is_set() and threading.current_thread() is not threading.main_thread()


def raise_if_requested() -> None:
    """Stop the current thread.

    Raises:
        RunStopped: If its process shall stop.
    """
    if is_requested():
        raise RunStopped


def sleep(seconds: float) -> None:
    """Sleep; wake up at once when the process shall stop."""
    _requested.wait(seconds)
