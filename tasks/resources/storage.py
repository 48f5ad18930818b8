"""The audio bucket of this process, and what signs its URLs."""

from typing import Any

from settings.environment import BucketSettings
from stores.bucket import audio_bucket, url_signer
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.url_signer import UrlSigner
from tasks.resources.process import OnePerProcess

MAX_DOWNLOADS = 256  # threads that share the bucket's client; connections are made when needed


@OnePerProcess
def bucket() -> AudioBucket:
    """Return this process's client of the audio bucket."""
    settings = BucketSettings()
    return audio_bucket.open_bucket(
        settings.bucket_name, **_access(settings), max_connections=MAX_DOWNLOADS
    )


@OnePerProcess
def signer() -> UrlSigner:
    """Return what signs URLs of the audio bucket's objects."""
    settings = BucketSettings()
    return url_signer.open_signer(
        settings.bucket_name,
        **_access(settings),
        credentials_expire_at=settings.credentials_expire_at,
    )


def _access(settings: BucketSettings) -> dict[str, Any]:
    """Return what the bucket and its signer are both opened with: endpoint, region and keys."""
    return settings.model_dump(exclude={"bucket_name", "credentials_expire_at"})


@OnePerProcess
def objects_address() -> str:
    """Return what stands before the key in the URLs of the audio bucket's objects."""
    settings = BucketSettings()
    return audio_bucket.objects_address(
        settings.bucket_name, endpoint=settings.endpoint, region=settings.region
    )
