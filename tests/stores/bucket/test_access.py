from pydantic import SecretStr

from stores.bucket.access import BucketAccess


def test_no_secret_shows():
    keys = [SecretStr(secret) for secret in ("key-id", "pa$$", "to+ken")]
    shown = repr(BucketAccess("bucket-1", None, "auto", *keys))
    assert "bucket-1" in shown
    assert not any(key.get_secret_value() in shown for key in keys)
