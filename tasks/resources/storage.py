"""The audio bucket of this process, and what signs its URLs."""

from settings.environment import BucketSettings
from stores.bucket import audio_bucket, url_signer
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.url_signer import UrlSigner
from tasks.resources.process import OnePerProcess

MAX_DOWNLOADS = 256  # threads that share the bucket's client; connections are made when needed


@OnePerProcess
def bucket() -> AudioBucket:
    """Return this process's client of the audio bucket."""
    return audio_bucket.open_bucket(_access(), max_connections=MAX_DOWNLOADS)


@OnePerProcess
def signer() -> UrlSigner:
    """Return what signs URLs of the audio bucket's objects."""
    return url_signer.open_signer(_access())


@OnePerProcess
def objects_address() -> str:
    """Return what precedes the key in the URLs of the audio bucket's objects."""
    return _access().objects_address()


def _access() -> BucketAccess:
    settings = BucketSettings()
    return BucketAccess(
        name=settings.bucket_name,
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        session_token=settings.session_token,
        credentials_expire_at=settings.credentials_expire_at,
    )
