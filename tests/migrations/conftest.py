"""Fixtures: a database to migrate."""

import pytest


@pytest.fixture
def url(empty_database_url):
    """URL of a new, empty database."""
    return empty_database_url
