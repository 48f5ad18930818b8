"""Landlock: no files, no TCP, no signals to other processes.

Numbers and bits are those of the kernel's include/uapi/linux/landlock.h; the system calls have the
same numbers on every architecture.
"""

import ctypes
import os
from typing import Final

from tasks.sandbox.kernel import system_call

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1

# Rights to files that each version of the interface knows: of the first, 13; later ones add
# moving between folders (2), truncating (3) and device controls (5).
_FILE_RIGHTS: Final = ((1, 13), (2, 14), (3, 15), (5, 16))
_TCP_SINCE, _BIND_AND_CONNECT = 4, 0b11
_SCOPES_SINCE, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def deny_all() -> int:
    """Deny this process everything that Landlock can; return the version of the interface.

    What is open stays open. Needs `kernel.forbid_new_privileges` before it.

    Raises:
        OSError: If the kernel has no Landlock, or it is switched off.
    """
    version = system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    files = max(bits for since, bits in _FILE_RIGHTS if since <= version)
    ruleset = _Ruleset(
        handled_access_fs=2**files - 1,
        handled_access_net=_BIND_AND_CONNECT if version >= _TCP_SINCE else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES_SINCE else 0,
    )
    # Without rules nothing is allowed. An old kernel accepts fields it does not know if they are 0.
    descriptor = system_call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        system_call(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
    return version
