"""This process's client of the audio bucket, and the signer of its URLs."""

from policy.bucket import BUCKET_LIMITS
from settings.environment import BucketSettings
from stores.bucket import audio_bucket, url_signer
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.url_signer import UrlSigner
from tasks.resources.process import OnePerProcess

MAX_DOWNLOADS = 256  # threads that share the client; connections are opened when needed


@OnePerProcess
def bucket() -> AudioBucket:
    """Return this process's client of the audio bucket."""
    return audio_bucket.open_bucket(_access(), BUCKET_LIMITS, max_connections=MAX_DOWNLOADS)


@OnePerProcess
def signer() -> UrlSigner:
    """Return this process's signer of the audio bucket's URLs."""
    return url_signer.open_signer(_access())


@OnePerProcess
def objects_address() -> str:
    """Return the part of the audio bucket's URLs before the key."""
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
