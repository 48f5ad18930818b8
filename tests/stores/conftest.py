"""S3 servers for the bucket's tests: Swift, which checks what it is sent, and moto."""

import secrets

import pytest

from deployments.local import moto, swift
from deployments.local.moto import MotoServer
from deployments.local.ports import choose_ports
from deployments.local.swift import SwiftServer


@pytest.fixture(scope="session")
def swift_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift")
    if reason := swift.obstacle(folder):
        pytest.skip(reason)
    server = SwiftServer(folder)
    try:
        yield server.start(choose_ports(swift.SERVERS, folder / "ports.json"))
    finally:
        server.stop()


@pytest.fixture(scope="session")
def moto_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    server = MotoServer(folder)
    try:
        yield server.start(choose_ports(moto.SERVERS, folder / "ports.json"))
    finally:
        server.stop()


@pytest.fixture(scope="session", params=["swift", "moto"])
def s3_address(request):
    return request.getfixturevalue(f"{request.param}_address")


@pytest.fixture
def bucket(s3_address):
    """A new bucket with its marker."""
    return _new_bucket(s3_address)


@pytest.fixture
def swift_bucket(swift_address):
    """A new bucket on the server that checks signatures, expiry and limits."""
    return _new_bucket(swift_address)


def _new_bucket(address):
    bucket = address.bucket(f"test-{secrets.token_hex(4)}")
    bucket.create_with_marker()
    return bucket
