"""Requests to the API of a local stack's Prefect server."""

from prefect.client.base import PrefectHttpxSyncClient


def http_client(prefect):
    """Raises for what the server refuses; asks again while its SQLite is locked."""
    user, _, password = prefect.password.get_secret_value().partition(":")
    return PrefectHttpxSyncClient(base_url=prefect.api_url, auth=(user, password), trust_env=False)
