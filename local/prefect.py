"""A Prefect server with its UI, and a process worker; their state is in `FOLDER/prefect`.

The server uses SQLite, because the embedded Postgres lacks pg_trgm, which Prefect needs.
"""

import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deployments.work_pool import WORK_POOL
from local.addresses import PrefectAddress, StackAddresses
from local.environment import child_environment
from local.ports import HOST, LOOPBACK_NAMES
from local.private_files import make_private, write_private
from local.process import MARK, Service
from schema.clock import utc_now
from schema.errors.base import KaiwaError
from settings.environment import NotificationSettings

PROJECT = Path(__file__).parents[1]
_LEASE_STORAGE = "prefect.server.concurrency.lease_storage.filesystem"
_START_SECONDS = 120  # the first start migrates its database
_STOP_SECONDS = 8
_ANSWER_SECONDS = 90  # the server waits up to a minute for SQLite's lock
_BOOTSTRAP_SECONDS = 240


class BootstrapFailed(KaiwaError):
    """The work pool, an automation or a deployment could not be registered."""

    reason: str

    def __str__(self) -> str:
        return f"`kaiwa-audio prefect bootstrap` failed: {self.reason}"


class PrefectServer:
    """The Prefect server of a stack.

    Args:
        folder: Folder of the stack, absolute.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = Service("prefect-server", folder)

    def start(self, port: int) -> PrefectAddress:
        """Start the server on a free loopback port; return its address and password.

        It answers nobody without the password, no page of another origin, and under no name but
        those of loopback (docs/adr/0108).

        Raises:
            ServiceFailed: If it ends or does not listen within two minutes.
        """
        home = make_private(self._folder / "prefect")
        prefect = PrefectAddress(f"http://{HOST}:{port}/api", _password(self._folder))
        environment = prefect_environment(
            self._folder,
            **prefect.environment(),  # the UI is told the URL
            PREFECT_SERVER_API_AUTH_STRING=prefect.password.get_secret_value(),
            PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS=",".join(
                f"http://{name}:{port}" for name in LOOPBACK_NAMES
            ),
            PREFECT_SERVER_DATABASE_CONNECTION_URL=f"sqlite+aiosqlite:///{home / 'prefect.db'}",
            PREFECT_SERVER_UI_STATIC_DIRECTORY=str(home / "ui"),  # the package may be read-only
            PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT="false",
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            # Seconds until a run of a busy deployment tries again.
            PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="2",
            # By default leases are in memory; a restart loses them and never frees their slots.
            PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=_LEASE_STORAGE,
            DO_NOT_TRACK="1",
        )
        command = [sys.executable, "-m", "local.prefect_server", str(port)]
        self._service.start(command, environment)
        self._service.wait_listening(port, timeout_seconds=_START_SECONDS)
        _end_dead_runs(prefect)
        _cancel_missed_runs(prefect)
        return prefect

    def stop(self) -> None:
        """Stop the server; its records stay."""
        self._service.stop(grace_seconds=_STOP_SECONDS)

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._service.process() is not None


class PrefectWorker:
    """The worker that runs the work pool's deployments in processes on this machine.

    Args:
        folder: Folder of the stack, absolute.
    """

    name = "local"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = Service("prefect-worker", folder)

    def start(self, addresses: StackAddresses) -> None:
        """Start the worker; its flow runs use the servers at these addresses.

        Raises:
            ServiceFailed: If it ends or does not report to the server within two minutes.
        """
        environment = prefect_environment(
            self._folder,
            **addresses.environment(),
            KAIWA_REPORTS_DIR=str(make_private(reports_folder(self._folder))),
            PREFECT_WORKER_QUERY_SECONDS="2",  # start a run after two seconds, not ten
        )
        command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process"]
        self._service.start([*command, "--pool", WORK_POOL, "--name", self.name], environment)
        self._service.wait_ready(
            lambda: self._online(addresses.prefect), timeout_seconds=_START_SECONDS
        )

    def stop(self) -> None:
        """Stop the worker and its flow runs; messages they had claimed are free once leases end."""
        self._service.stop(grace_seconds=_STOP_SECONDS)

    @property
    def running(self) -> bool:
        """Whether the worker runs."""
        return self._service.process() is not None

    def _online(self, prefect: PrefectAddress) -> bool:
        workers = _post(prefect, f"work_pools/{WORK_POOL}/workers/filter", {})
        return any(w["name"] == self.name and w["status"] == "ONLINE" for w in workers)


def reports_folder(folder: Path) -> Path:
    """Return the folder for files that flow runs of the stack write."""
    return folder / "reports"


def bootstrap(folder: Path, prefect: PrefectAddress) -> str:
    """Register work pool, automations and deployments; return the command's output.

    Raises:
        BootstrapFailed: If the command fails.
    """
    url = NotificationSettings().webhook_url
    webhook = {"KAIWA_NOTIFICATION_WEBHOOK_URL": url.get_secret_value()} if url else {}
    environment = prefect_environment(folder, **prefect.environment(), **webhook)
    try:
        done = subprocess.run(
            [Path(sys.executable).with_name("kaiwa-audio"), "prefect", "bootstrap"],
            cwd=PROJECT,
            env={**environment, MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BOOTSTRAP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"it did not end within {_BOOTSTRAP_SECONDS} s"
        raise BootstrapFailed(reason) from None
    if done.returncode != 0:
        raise BootstrapFailed(done.stdout.strip())
    return done.stdout.strip()


def prefect_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment for a Prefect process of the stack."""
    home = str(folder / "prefect")
    return child_environment(folder, PREFECT_HOME=home, PREFECT_CLI_COLORS="false", **variables)


def password_file(folder: Path) -> Path:
    """Return the file that holds the password of a stack's Prefect server."""
    return folder / "prefect" / "password"


def _password(folder: Path) -> SecretStr:
    """Return the password of a stack's Prefect server; the first time, choose it."""
    file = password_file(folder)
    if not file.exists():
        write_private(file, f"admin:{secrets.token_urlsafe(24)}")
    return SecretStr(file.read_text())


def _end_dead_runs(prefect: PrefectAddress) -> None:
    """Set runs that were going on when the stack ended to crashed, which frees their slots.

    No worker of this stack runs before its server, so none of them can be alive.
    """
    unfinished = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    for run in _post(prefect, "flow_runs/filter", {"flow_runs": unfinished}):
        crashed = {"type": "CRASHED", "message": "The local stack ended while it ran."}
        _post(prefect, f"flow_runs/{run['id']}/set_state", {"state": crashed, "force": True})


def _cancel_missed_runs(prefect: PrefectAddress) -> None:
    """Cancel runs that were due while the stack was down.

    Otherwise the worker would start them all while deploying deletes them, and the slot of a run
    that is deleted while it starts stays taken for minutes.
    """
    missed = {
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "expected_start_time": {"before_": utc_now().isoformat()},
    }
    cancelled = {"type": "CANCELLED", "message": "The local stack was down when it was due."}
    while runs := _post(prefect, "flow_runs/filter", {"flow_runs": missed}):
        for run in runs:
            _post(prefect, f"flow_runs/{run['id']}/set_state", {"state": cancelled, "force": True})


def _post(prefect: PrefectAddress, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Call the server without any proxy; the client retries while it is busy."""
    from prefect.client.base import (
        PrefectHttpxSyncClient,
    )  # takes a second, which `--help` need not wait

    user, _, password = prefect.password.get_secret_value().partition(":")
    with PrefectHttpxSyncClient(
        base_url=prefect.api_url, auth=(user, password), trust_env=False, timeout=_ANSWER_SECONDS
    ) as client:
        return client.post(path, json=body).json()
