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
    """The session's Swift, with its ports; it is not started yet."""
    folder = tmp_path_factory.mktemp("swift")
    if reason := swift.obstacle(folder):
        pytest.skip(reason)
    server = SwiftServer(folder)
    yield server, choose_ports(swift.SERVERS, folder / "ports.json")
    server.stop()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory):
    """The session's moto, with its ports; it is not started yet."""
    folder = tmp_path_factory.mktemp("moto")
    server = MotoServer(folder)
    yield server, choose_ports(moto.SERVERS, folder / "ports.json")
    server.stop()


@pytest.fixture(scope="session")
def swift_address(swift_server):
    server, ports = swift_server
    return server.start(ports)


@pytest.fixture(scope="session")
def moto_address(moto_server):
    server, ports = moto_server
    return server.start(ports)
