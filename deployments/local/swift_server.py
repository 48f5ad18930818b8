"""Run one of Swift's servers from a private folder.

    python -m deployments.local.swift_server proxy|object|container|account FOLDER

Swift reads `swift.conf` from /etc/swift, changes to a system user and logs to syslog: all three
are fixed in its code, so this entry point sets them before the server starts.
"""

import logging
import sys
from importlib import import_module
from pathlib import Path

from swift.common import utils, wsgi
from swift.common.utils import logs

_PACKAGES = {"proxy": "proxy", "object": "obj", "container": "container", "account": "account"}


def main(kind: str, folder: Path) -> None:
    """Serve until SIGTERM."""
    utils.set_swift_dir(str(folder))
    # Whoever started the stack owns the folder; a container's user may have no name to change to.
    wsgi.drop_privileges = lambda _user: None
    logs.ThreadSafeSysLogHandler = lambda **_: logging.NullHandler()
    # "-v" logs to the console, which is the service's log file.
    sys.argv = [f"swift-{kind}-server", str(folder / f"{kind}-server.conf"), "-v"]
    import_module(f"swift.{_PACKAGES[kind]}.server").main()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
