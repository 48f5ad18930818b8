"""OpenStack Swift on one node: a persistent S3 server that checks signatures and their expiry.

Four processes (proxy, object, container, account) that need no root, memcached, syslog or system
folders. Linux only, on a file system with user extended attributes, where Swift stores metadata.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from local.addresses import REGION, S3Address
from local.environment import child_environment
from local.ports import HOST
from local.private_files import write_private
from local.process import Service

SERVERS = ("object", "container", "account", "proxy")
_ACCOUNT, _USER = "kaiwa", "local"
_METADATA_BYTES = (
    2048  # ext4 holds 4 KB of attributes per file; beyond that every request ends in 507
)
_START_SECONDS = 60
_STOP_SECONDS = 4

_BACK_END_CONF = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
bind_timeout = 1
workers = 0
swift_dir = {home}
devices = {home}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = WARNING

[pipeline:main]
pipeline = loopback_only {kind}-server

[filter:loopback_only]
paste.filter_factory = local.loopback_only:filter_factory

[app:{kind}-server]
use = egg:swift#{kind}
# No updater runs that could complete a listing later, so a PUT waits for it.
container_update_timeout = 30
"""

_PROXY_CONF = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
bind_timeout = 1
workers = 0
swift_dir = {home}
# Access logs would contain signed URLs.
log_level = WARNING

[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes \
symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# Never suspend the only node.
error_suppression_interval = 0
error_suppression_limit = 1000000

[filter:cache]
paste.filter_factory = local.swift_cache:filter_factory

[filter:s3api]
use = egg:swift#s3api
location = {region}
dns_compliant_bucket_names = false
max_multi_delete_objects = 1000

[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin

[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""

_SWIFT_CONF = """\
[swift-hash]
# Every object's path depends on this: without this file the data is lost.
swift_hash_path_suffix = {suffix}

[swift-constraints]
max_meta_overall_size = {metadata_bytes}
"""


class SwiftServer:
    """The Swift server of a stack; its data is in `FOLDER/swift`.

    Args:
        folder: Folder of the stack, absolute.
    """

    name = "swift"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "swift"
        self._services = {kind: Service(f"swift-{kind}", folder) for kind in SERVERS}

    def start(self, ports: Mapping[str, int]) -> S3Address:
        """Start the four servers.

        Args:
            ports: A free loopback port for each of `SERVERS`.

        Raises:
            ServiceFailed: If one ends or does not answer within a minute.
        """
        secret = self._write_configuration(ports)
        environment = child_environment(self._folder)
        module = ("-m", "local.swift_server")
        for kind, service in self._services.items():
            service.start([sys.executable, *module, kind, str(self._home)], environment)
        address = S3Address(
            f"http://{HOST}:{ports['proxy']}", f"{_ACCOUNT}:{_USER}", SecretStr(secret)
        )
        for kind, service in self._services.items():
            service.wait_listening(ports[kind], timeout_seconds=_START_SECONDS)
        return address

    def stop(self) -> None:
        """Stop the servers; objects are kept."""
        for service in reversed(self._services.values()):
            service.stop(grace_seconds=_STOP_SECONDS)

    @property
    def running(self) -> bool:
        """Whether all four servers run."""
        return all(service.process() for service in self._services.values())

    def _write_configuration(self, ports: Mapping[str, int]) -> str:
        """Write the servers' configuration; return the secret key, the same each time."""
        home = self._home
        (home / "devices" / "disk").mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        secret_file = home / "secret"
        if not secret_file.exists():
            write_private(secret_file, secrets.token_urlsafe(24))
        if not (home / "swift.conf").exists():
            suffix = secrets.token_hex(16)
            conf = _SWIFT_CONF.format(suffix=suffix, metadata_bytes=_METADATA_BYTES)
            write_private(home / "swift.conf", conf)
        secret = secret_file.read_text()
        values = {"host": HOST, "home": home, "region": REGION, "secret": secret}
        for kind, port in ports.items():
            template = _PROXY_CONF if kind == "proxy" else _BACK_END_CONF
            conf = template.format(kind=kind, port=port, account=_ACCOUNT, user=_USER, **values)
            write_private(home / f"{kind}-server.conf", conf)
        return secret


def obstacle(folder: Path) -> str | None:
    """Return why Swift cannot store objects in this folder; None if it can."""
    if sys.platform != "linux":
        return "OpenStack Swift runs on Linux only"
    if find_spec("swift") is None:
        return "the package swift is not installed (extra `local`)"
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        try:
            os.setxattr(probe.fileno(), "user.swift.metadata", b"x" * _METADATA_BYTES)
        except OSError as error:
            return f"the file system of {folder} lacks user extended attributes ({error.strerror})"
    return None
