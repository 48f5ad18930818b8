"""seccomp: a list of the system calls that a process may still make.

Other calls fail with ENOSYS, as on an older kernel, so that a newer C library falls back to calls
that it used before. Numbers are those of the kernel's headers.
"""

import ctypes
import errno
import platform
import struct
from typing import Final

from tasks.sandbox.kernel import prctl

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

_ALLOW: Final = 0x7FFF_0000
_FAIL: Final = 0x0005_0000 | errno.ENOSYS
_KILL: Final = 0x8000_0000

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_OF_NUMBER, _OF_ARCHITECTURE = 0, 4  # offsets in the kernel's description of a call

# Calls by architecture, in the same order: x86-64, AArch64.
_ARCHITECTURES: Final = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
# Computing, memory, and reading and writing what is open. Nothing here names another process, a
# file or an address, and nothing opens, so the filter need not look at arguments.
_CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def allow_computing_only() -> None:
    """Let this process compute, and read and write what is open; for ever.

    Needs `kernel.forbid_new_privileges` before it.

    Raises:
        OSError: If the kernel has no seccomp, or the architecture's calls are not known.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no list of system calls for {machine}")
    code = _program(*_ARCHITECTURES[machine])
    program = _Program(len(code) // 8, code)
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program))


def _program(architecture: int, column: int) -> bytes:
    """Return the filter, 8 bytes an instruction."""
    instructions = [
        (_LOAD, 0, 0, _OF_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OF_NUMBER),
    ]
    for numbers in _CALLS.values():
        instructions += [(_JUMP_IF_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ALLOW)]
    instructions.append((_RETURN, 0, 0, _FAIL))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
