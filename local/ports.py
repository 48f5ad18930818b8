"""Free TCP ports on loopback, the same ones each time where possible."""

import json
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"


def choose_ports(names: Sequence[str], memory: Path) -> dict[str, int]:
    """Return a port for each name that nobody listens on at this moment.

    Args:
        names: One for each port.
        memory: JSON file of the last choice; its ports are kept while they are free, so that a
            restarted stack still honours bookmarks and signed URLs.
    """
    remembered = json.loads(memory.read_text()) if memory.exists() else {}
    with ExitStack() as held:
        probes = {name: held.enter_context(_listen(remembered.get(name, 0))) for name in names}
        ports = {name: int(probe.getsockname()[1]) for name, probe in probes.items()}
    memory.write_text(json.dumps(ports))
    return ports


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))
