"""The whole stack in one folder: Postgres, an S3 server, a Prefect server and a worker.

All state is in that folder (run as root, Postgres may have to keep its data elsewhere, linked from
there), everything listens on 127.0.0.1 only, and a stack whose starter was killed can be stopped.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import SecretStr

from local import addresses, moto, process, swift
from local.addresses import PrefectAddress, S3Address, StackAddresses
from local.moto import MotoServer
from local.ports import choose_ports
from local.postgres import PostgresServer
from local.prefect import PrefectServer, PrefectWorker, bootstrap
from local.swift import SwiftServer
from schema.errors.base import KaiwaError
from schema.wording import counted

Report = Callable[[str], None]

_LOCK_SECONDS = 2  # a killed starter's child holds the lock until its exec
_PORT_NAMES = (*swift.SERVERS, *moto.SERVERS, "postgres", "prefect")


class StackBusy(KaiwaError):
    """Another command is starting or stopping the same stack."""

    folder: str

    def __str__(self) -> str:
        return (
            f"Another command is starting or stopping the stack in {self.folder}. Wait for it or "
            "stop it, then run this again."
        )


class Stack:
    """The servers of one folder, running or not.

    Args:
        folder: Holds all state; created when needed. Deleting it resets the stack.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._postgres = PostgresServer(self.folder / "postgres")
        self._swift = SwiftServer(self.folder)
        self._moto = MotoServer(self.folder)
        self._prefect = PrefectServer(self.folder)
        self._worker = PrefectWorker(self.folder)

    def up(self, report: Report) -> StackAddresses:
        """Start the servers, migrate, create the bucket, register work pool and deployments.

        On a running stack only the last three are repeated. A start that fails or is interrupted
        stops what it started.

        Args:
            report: Called with each step when it is done, from any thread.

        Raises:
            StackBusy: If another command is working on the same folder.
            ServiceFailed, PostgresFailed: If a server does not become ready.
            BootstrapFailed: If the work pool, a deployment or an automation is missing afterwards.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            known = addresses.load(self.folder)
            if known is not None and all(self.status().values()):
                self._prepare_database(report)
                _prepare_bucket(known.s3, report)
                self._deploy(known.prefect, report)
                return known
            self._stop()  # whatever still runs of an incomplete stack
            try:
                started = self._start(report)
            except BaseException:
                self._stop()
                raise
            addresses.save(started, self.folder)
            return started

    def down(self) -> None:
        """Stop everything that runs in this folder, whoever started it; keep its data.

        Raises:
            StackBusy: If another command is working on the same folder.
        """
        if self.folder.exists():
            with self._locked():
                self._stop()

    def status(self) -> dict[str, bool]:
        """Return for each part whether it runs."""
        return {
            "Postgres": self._postgres.running,
            "S3": self._swift.running or self._moto.running,
            "Prefect server": self._prefect.running,
            "Prefect worker": self._worker.running,
        }

    def addresses(self) -> StackAddresses | None:
        """Return the addresses; None if the stack is down."""
        return addresses.load(self.folder)

    def _start(self, report: Report) -> StackAddresses:
        """Start everything, in parallel where possible."""
        ports = choose_ports(_PORT_NAMES, self.folder / "ports.json")
        with ThreadPoolExecutor() as pool:
            try:
                database = pool.submit(self._start_database, ports["postgres"], report)
                s3 = pool.submit(self._start_s3, ports, report)
                prefect = self._prefect.start(ports["prefect"])
                report(f"Prefect server at {prefect.api_url}")
                deployed = pool.submit(self._deploy, prefect, report)
                started = StackAddresses(database.result(), s3.result(), prefect)
                deployed.result()  # the worker needs its work pool
                self._worker.start(started)
                report("Prefect worker started")
            except BaseException:
                self._stop()  # the threads wait for these processes and end with them
                raise
        return started

    def _start_database(self, port: int, report: Report) -> SecretStr:
        self._postgres.start(port)
        return self._prepare_database(report)

    def _prepare_database(self, report: Report) -> SecretStr:
        # These load Alembic and the app's tables, which `status` and `down` need not wait for.
        from local import app_database
        from migrations.run import upgrade

        url = self._postgres.url()
        if app_database.begin(url):
            report("App database created, as the app's own migrations leave it")
        done = upgrade(url)
        read = sum(one.read for one in done.texts)
        report(
            f"Postgres started, app database migrated: {counted(len(done.done), 'step')},"
            f" {counted(read, 'text')} converted to numbers"
        )
        return SecretStr(url)

    def _start_s3(self, ports: dict[str, int], report: Report) -> S3Address:
        reason = swift.obstacle(self.folder)
        if reason is None:
            address = self._swift.start({name: ports[name] for name in swift.SERVERS})
            report(f"S3 server (OpenStack Swift) at {address.endpoint}")
        else:
            address = self._moto.start({name: ports[name] for name in moto.SERVERS})
            report(
                f"S3 server (moto) at {address.endpoint}: {reason}. It does not check signatures "
                "and loses its objects when it stops."
            )
        _prepare_bucket(address, report)
        return address

    def _deploy(self, prefect: PrefectAddress, report: Report) -> None:
        for step in bootstrap(self.folder, prefect).splitlines():
            report(step)

    def _stop(self) -> None:
        for name in ("stack.json", "env"):
            (self.folder / name).unlink(missing_ok=True)
        self._worker.stop()  # first, because its flow runs use the servers
        servers = (self._prefect, self._swift, self._moto, self._postgres)
        with ThreadPoolExecutor() as pool:
            stopping = [pool.submit(server.stop) for server in servers]
        process.kill_marked(self.folder)  # what no record covers
        for stopped in stopping:
            stopped.result()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise StackBusy(str(self.folder)) from None
        try:
            yield
        finally:
            lock.release()


def _prepare_bucket(address: S3Address, report: Report) -> None:
    bucket = address.bucket()
    made = bucket.create_with_marker()
    report(f"Bucket {bucket.name} {'created' if made.bucket_created else 'exists'}")
