"""Run one of Swift's servers from a private folder.

    python -m local.swift_server proxy|object|container|account FOLDER

It is a separate process because Swift imports eventlet, which does not work with threads. Swift
reads `swift.conf` from /etc/swift, switches to a system user and logs to syslog. All three are
hard-coded, so this module replaces them before the server starts.
"""

import logging
import sys
from array import array
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

from swift.common import utils, wsgi
from swift.common.ring import RingData
from swift.common.utils import logs

_PACKAGES = {"proxy": "proxy", "object": "obj", "container": "container", "account": "account"}
_PART_POWER = 4  # 16 partitions: one disk needs no more


def main(kind: str, folder: Path) -> None:
    """Serve until SIGTERM."""
    utils.set_swift_dir(str(folder))
    # The folder belongs to whoever started the stack; in a container that user may have no name.
    wsgi.drop_privileges = lambda _user: None
    logs.ThreadSafeSysLogHandler = lambda **_: logging.NullHandler()
    # Every server writes the same rings, each by one rename, so that none waits for another.
    for back_end in ("object", "container", "account"):
        _write_ring(folder, back_end)
    # "-v" logs to the console, which is the service's log file.
    sys.argv = [f"swift-{kind}-server", str(folder / f"{kind}-server.conf"), "-v"]
    import_module(f"swift.{_PACKAGES[kind]}.server").main()


def _write_ring(folder: Path, kind: str) -> None:
    """Write the map from partitions to the one device, at the port of the server's conf."""
    conf = ConfigParser(interpolation=None)
    conf.read(folder / f"{kind}-server.conf")
    device = {
        "id": 0,
        "device": "disk",
        "ip": conf["DEFAULT"]["bind_ip"],
        "port": conf.getint("DEFAULT", "bind_port"),
        "region": 1,
        "zone": 1,
        "weight": 1.0,
        "meta": "",
    }
    replicas = [array("H", [0] * 2**_PART_POWER)]
    RingData(replicas, [device], part_shift=32 - _PART_POWER).save(str(folder / f"{kind}.ring.gz"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
