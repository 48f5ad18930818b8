import pytest

from local import swift_cache
from local.swift_cache import DictionaryCache, filter_factory


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(swift_cache, "monotonic", lambda: now[0])
    return now


def test_a_value_lives_until_its_time_is_over(clock):
    cache = DictionaryCache()
    cache.set("key", {"status": 200}, time=60)
    clock[0] += 59.9
    assert cache.get("key") == {"status": 200}
    clock[0] += 0.1
    assert cache.get("key") is None


def test_time_zero_is_for_ever(clock):
    cache = DictionaryCache()
    cache.set("key", 1)
    clock[0] += 1e9
    assert cache.get("key") == 1


def test_a_deleted_value_is_gone():
    cache = DictionaryCache()
    cache.set("key", 1, time=60)
    cache.delete("key")
    cache.delete("key")
    assert cache.get("key", raise_on_error=True) is None


def test_a_caller_that_changes_its_copy_changes_no_other():
    cache = DictionaryCache()
    cache.set("key", {"a": 1}, time=60)
    cache.get("key")["a"] = 2
    assert cache.get("key") == {"a": 1}


def test_all_requests_share_one_cache():
    app = filter_factory({})(lambda environ, _: [environ["swift.cache"]])
    caches = [app({}, None)[0], app({}, None)[0]]
    assert caches[0] is caches[1]
