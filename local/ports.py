"""Free TCP ports on loopback, the same each time where possible."""

import json
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from stores.report_files import write_file

HOST = "127.0.0.1"
LOOPBACK_NAMES = (HOST, "localhost")  # under which a browser may ask


def choose_ports(names: Sequence[str], memory: Path) -> dict[str, int]:
    """Return a free port for each name.

    Args:
        names: One for each port.
        memory: JSON file of the last choice. Ports that are still free are chosen again, so that
            bookmarks and signed URLs survive a restart of the stack.
    """
    remembered = json.loads(memory.read_text()) if memory.exists() else {}
    with ExitStack() as held:
        probes = {name: held.enter_context(_listen(remembered.get(name, 0))) for name in names}
        ports = {name: int(probe.getsockname()[1]) for name, probe in probes.items()}
    write_file(memory, json.dumps(ports).encode())
    return ports


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))
