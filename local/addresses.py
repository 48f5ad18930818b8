"""Addresses of the local stack's servers: as values, as a file, as environment variables."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from policy.bucket import BUCKET_LIMITS
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import AudioBucket, open_bucket

BUCKET = "kaiwa-audio"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3Address:
    """An S3 server and its administrator's key."""

    endpoint: str
    access_key_id: str
    secret_access_key: SecretStr

    def access(self, name: str = BUCKET, region: str = REGION) -> BucketAccess:
        """Return how to use a bucket of the server."""
        key_id = SecretStr(self.access_key_id)
        return BucketAccess(name, self.endpoint, region, key_id, self.secret_access_key)

    def bucket(self, name: str = BUCKET) -> AudioBucket:
        """Return a bucket of this server, whether it exists or not."""
        return open_bucket(self.access(name), BUCKET_LIMITS)


@dataclass(frozen=True, slots=True)
class StackAddresses:
    """Everything a client of the stack needs."""

    database_url: SecretStr
    s3: S3Address
    prefect_api_url: str  # ends in /api

    @property
    def prefect_ui_url(self) -> str:
        """Address of the Prefect UI for a browser."""
        return self.prefect_api_url.removesuffix("/api")

    def environment(self) -> dict[str, str]:
        """Return the variables that `settings` and Prefect read; secrets included."""
        return {
            "DATABASE_URL": self.database_url.get_secret_value(),
            "TIGRIS_ENDPOINT": self.s3.endpoint,
            "TIGRIS_REGION": REGION,
            "TIGRIS_BUCKET_NAME": BUCKET,
            "TIGRIS_ACCESS_KEY_ID": self.s3.access_key_id,
            "TIGRIS_SECRET_ACCESS_KEY": self.s3.secret_access_key.get_secret_value(),
            "PREFECT_API_URL": self.prefect_api_url,
        }

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "StackAddresses":
        """Return the addresses from the variables of `environment`."""
        s3 = S3Address(
            variables["TIGRIS_ENDPOINT"],
            variables["TIGRIS_ACCESS_KEY_ID"],
            SecretStr(variables["TIGRIS_SECRET_ACCESS_KEY"]),
        )
        return cls(SecretStr(variables["DATABASE_URL"]), s3, variables["PREFECT_API_URL"])


def save(addresses: StackAddresses, folder: Path) -> None:
    """Write `stack.json` for programs and `env` for shells, readable by their owner only."""
    variables = addresses.environment()
    write_private(folder / "stack.json", json.dumps(variables, indent=2) + "\n")
    exports = {
        **variables,
        "PREFECT_HOME": str(folder / "prefect"),  # not ~/.prefect, which is of other servers
        # Requests to loopback must not go through the shell's proxy.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    commands = shlex.quote(str(Path(sys.executable).parent))  # prefect, kaiwa-audio
    lines.append(f'export PATH={commands}:"${{PATH:-/usr/local/bin:/usr/bin:/bin}}"\n')
    write_private(folder / "env", "".join(lines))


def load(folder: Path) -> StackAddresses | None:
    """Return the addresses that `save` wrote; None if the stack is down."""
    path = folder / "stack.json"
    if not path.exists():
        return None
    return StackAddresses.from_environment(json.loads(path.read_text()))


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, completely or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)  # an older one might be readable by others
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.rename(path)
