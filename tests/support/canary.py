"""What a hostile recording would try after it has taken over its process.

Imported by `hostile_server` before its processes are locked down; nothing can be loaded afterwards.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import socket
import threading
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH = 16
_OF_THE_KERNEL = {335, 336}  # x86: probes return with these; a call from elsewhere is fatal
_WORD = ctypes.c_ulong


def attempts(target):
    """Return each attempt by name.

    Args:
        target: `parent` and `server` (process ids), `folder` (writable by everyone; holds `secret`
            and `victim`), `tcp`, `unix` and `abstract` (where somebody listens), and `spared`, the
            names of attempts that are not made.
    """
    folder = Path(target["folder"])
    parent, server = int(target["parent"]), int(target["server"])
    return {
        "read a secret": lambda: (folder / "secret").read_bytes(),
        "read /etc/passwd": lambda: Path("/etc/passwd").read_bytes(),
        "read the project": lambda: Path(__file__).read_bytes(),
        "read the parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "read the parent's memory": lambda: Path(f"/proc/{parent}/mem").open("rb"),
        "read the server's environment": lambda: Path(f"/proc/{server}/environ").read_bytes(),
        "read the server's memory": lambda: Path(f"/proc/{server}/mem").open("rb"),
        "list descriptors in /proc": lambda: list(Path("/proc/self/fd").iterdir()),
        "list a folder": lambda: list(folder.iterdir()),
        "write a file": lambda: (folder / "new").write_bytes(b"x"),
        "overwrite a file": lambda: (folder / "victim").write_bytes(b"x"),
        "truncate a file": lambda: os.truncate(folder / "victim", 0),
        "delete a file": lambda: (folder / "victim").unlink(),
        "rename a file": lambda: (folder / "victim").rename(folder / "renamed"),
        "link a file": lambda: (folder / "link").symlink_to("/etc/passwd"),
        "make a folder": lambda: (folder / "made").mkdir(),
        "make a file in memory": lambda: os.memfd_create("x"),
        "open a pipe": os.pipe,
        "connect over TCP": lambda: socket.create_connection(("127.0.0.1", int(target["tcp"])), 5),
        "connect to a socket file": lambda: _connect(target["unix"]),
        "connect to an abstract socket": lambda: _connect("\0" + target["abstract"]),
        "listen on TCP": lambda: socket.create_server(("127.0.0.1", 0)),
        "ask DNS": lambda: socket.getaddrinfo("example.org", 443),
        "fork": _fork,
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "spawn a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "start a thread": lambda: threading.Thread(target=int).start(),
        "probe the parent": lambda: os.kill(parent, 0),
        "signal the parent": lambda: os.kill(parent, signal.SIGWINCH),
        "signal the server": lambda: os.kill(server, signal.SIGWINCH),
        "trace the parent": lambda: _call(_LIBC.ptrace, _PTRACE_ATTACH, parent, 0, 0),
        "trace the server": lambda: _call(_LIBC.ptrace, _PTRACE_ATTACH, server, 0, 0),
        "copy the parent's memory": lambda: _copy_memory(parent),
        "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0)),
        "raise its own limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
        "become root": lambda: os.setuid(0),
    }


def _connect(address):
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)


def _fork():
    if not os.fork():
        os._exit(0)


def _copy_memory(process):
    block = ctypes.create_string_buffer(8)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(block), 8)
    there = (ctypes.c_void_p * 2)(ctypes.addressof(block), 8)
    _call(_LIBC.process_vm_readv, process, ctypes.addressof(here), 1, ctypes.addressof(there), 1, 0)


def _call(function, *arguments):
    if function(*map(_WORD, arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def try_all(target):
    """Try everything; return what happened, by name: "done", or the error's name."""
    spared = target.get("spared", ())
    return {
        name: _outcome(attempt) for name, attempt in attempts(target).items() if name not in spared
    }


def _outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - any failure holds it
        return type(error).__name__
    return "done"


def descriptors():
    """Return what is open: the number of each descriptor, and whether it has a position."""
    found = {}
    for number in range(4096):
        try:
            os.lseek(number, 0, os.SEEK_CUR)
            found[number] = True
        except OSError as error:
            if error.errno == errno.ESPIPE:
                found[number] = False
    return found


def calls_that_exist(allowed):
    """Return the numbers of the system calls that are answered, of those not allowed."""
    call = _LIBC.syscall
    answered = []
    for number in [*range(1024), *range(2**30, 2**30 + 600)]:
        if number in allowed or number in _OF_THE_KERNEL:
            continue
        result = call(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        if result != -1 or ctypes.get_errno() != errno.ENOSYS:
            answered.append(number)
    return answered


MACHINE = platform.machine()
