"""S3 servers: Swift, which checks what it is sent, and moto, which wants regions as AWS does."""

import functools

import botocore.session
import pytest

from local import moto, swift
from local.moto import MotoServer
from local.ports import choose_ports
from local.swift import SwiftServer


@pytest.fixture(scope="session", autouse=True)
def s3_model_read_once():
    """Let all clients of this process share what botocore reads, 100 ms for each otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        shared = functools.cache(botocore.session.create_loader)
        patch.setattr(botocore.session, "create_loader", shared)
        yield


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory):
    """The session's Swift, its ports and its address."""
    folder = tmp_path_factory.mktemp("swift")
    if reason := swift.obstacle(folder):
        pytest.skip(reason)
    yield from _running(SwiftServer(folder), choose_ports(swift.SERVERS, folder / "ports.json"))


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory):
    """The session's moto, its ports and its address."""
    folder = tmp_path_factory.mktemp("moto")
    yield from _running(MotoServer(folder), choose_ports(moto.SERVERS, folder / "ports.json"))


def _running(server, ports):
    try:
        yield server, ports, server.start(ports)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def swift_address(swift_server):
    return swift_server[2]


@pytest.fixture(scope="session")
def moto_address(moto_server):
    return moto_server[2]
