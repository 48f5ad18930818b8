"""Lock this process down: from here on it can compute, and use what is open.

Each layer holds alone, because kernels and containers lack some of them: limits (any POSIX system),
an unprivileged user, Landlock and seccomp (Linux).
"""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tasks.sandbox import kernel, landlock, seccomp

UNPRIVILEGED_USER: Final = 65534  # "nobody" on Linux; owns no files
_MEBIBYTE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Lockdown:
    """The layers that are in force, and those that this system lacks."""

    in_force: tuple[str, ...]
    missing: tuple[str, ...]


def lock_down(*, memory_bytes: int, cpu_seconds: int) -> Lockdown:
    """Lock this process down. Whatever it needs must be loaded and open before.

    Args:
        memory_bytes: Address space.
        cpu_seconds: Processor time of its whole life; then the kernel kills it.
    """
    in_force, missing = [], []
    for layer, apply in _layers(memory_bytes, cpu_seconds):
        try:
            version = apply()
        except (OSError, ValueError):  # macOS refuses some limits with ValueError
            missing.append(layer)
        else:
            in_force.append(layer if version is None else f"{layer} {version}")
    return Lockdown(tuple(in_force), tuple(missing))


def _layers(memory_bytes: int, cpu_seconds: int) -> Iterator[tuple[str, Callable[[], int | None]]]:
    """Yield the layers in the order in which they can be applied."""
    yield f"memory {memory_bytes // _MEBIBYTE} MiB", _limit(resource.RLIMIT_AS, memory_bytes)
    yield f"processor time {cpu_seconds} s", _limit(resource.RLIMIT_CPU, cpu_seconds)
    yield "no core dumps", _limit(resource.RLIMIT_CORE, 0)
    yield "no files written", _limit(resource.RLIMIT_FSIZE, 0)
    yield "no processes started", _limit(resource.RLIMIT_NPROC, 0)
    yield "no new privileges", kernel.forbid_new_privileges
    if os.geteuid() == 0:
        yield f"user {UNPRIVILEGED_USER}", _drop_root
    # After the change of user, which resets both.
    yield "ends with its parent", lambda: kernel.end_with_parent(signal.SIGKILL)
    yield "hidden memory", kernel.hide_memory
    yield "Landlock", landlock.deny_all
    # Not before Landlock, which needs a descriptor.
    yield "no files or sockets opened", _limit(resource.RLIMIT_NOFILE, 0)
    yield "seccomp", seccomp.allow_computing_only


def _limit(what: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (value, value))


def _drop_root() -> None:
    os.setgroups([])
    os.setgid(UNPRIVILEGED_USER)
    os.setuid(UNPRIVILEGED_USER)
