"""moto's S3 server, for machines where Swift cannot run.

It does not check signatures or expiry, and loses every object when it stops.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from local.addresses import S3Address
from local.environment import child_environment
from local.ports import HOST
from local.process import Service

SERVERS = ("moto",)
_START_SECONDS = 60
_STOP_SECONDS = 2


class MotoServer:
    """The moto server of a stack; it keeps objects in memory.

    Args:
        folder: Folder of the stack, absolute.
    """

    name = "moto"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = Service("moto", folder)

    def start(self, ports: Mapping[str, int]) -> S3Address:
        """Start the server on `ports["moto"]`, a free loopback port.

        Raises:
            ServiceFailed: If it ends or does not listen within a minute.
        """
        port = ports["moto"]
        command = [sys.executable, "-m", "local.moto_server", str(port)]
        self._service.start(command, child_environment(self._folder))
        self._service.wait_listening(port, timeout_seconds=_START_SECONDS)
        return S3Address(f"http://{HOST}:{port}", "local", SecretStr("unchecked"))

    def stop(self) -> None:
        """Stop the server; its objects are lost."""
        self._service.stop(grace_seconds=_STOP_SECONDS)

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._service.process() is not None
