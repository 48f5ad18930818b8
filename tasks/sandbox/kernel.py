"""Calls to the Linux kernel that Python's library lacks."""

import ctypes
import errno
import os
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def end_with_parent(signal_number: int) -> None:
    """Have this process sent a signal when the one that forked it ends."""
    prctl(_PR_SET_PDEATHSIG, signal_number)


def hide_memory() -> None:
    """Forbid core dumps, and that processes of the same user read or trace this one."""
    prctl(_PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """Ignore set-user-ID bits and file capabilities from now on."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def prctl(option: int, *arguments: object) -> None:
    """Set a property of this process.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc().prctl(option, *map(_as_argument, arguments)))


def system_call(number: int, *arguments: object) -> int:
    """Make a system call for which the C library has no function.

    Raises:
        OSError: If the kernel refuses.
    """
    call = _libc().syscall
    call.restype = ctypes.c_long
    return _checked(call(ctypes.c_long(number), *map(_as_argument, arguments)))


def _libc() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return ctypes.CDLL(None, use_errno=True)


def _as_argument(value: object) -> object:
    # Variadic C functions take an int as 32 bits, the kernel as 64.
    return ctypes.c_ulong(value) if isinstance(value, int) else value


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
