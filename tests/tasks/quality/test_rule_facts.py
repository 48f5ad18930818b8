"""Accepted prefixes of our bucket's URLs."""

import pytest

from tasks.quality.rule_facts import url_prefixes


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("https://kaiwa.fly.storage.tigris.dev/", "https://fly.storage.tigris.dev/kaiwa/"),
        ("http://127.0.0.1:9000/kaiwa/", "http://kaiwa.127.0.0.1:9000/"),
        ("https://storage.example.org:8443/kaiwa/", "https://kaiwa.storage.example.org:8443/"),
    ],
)
def test_the_bucket_may_be_named_in_the_host_or_in_the_path(address, other):
    assert url_prefixes("kaiwa", address) == (address, other)
