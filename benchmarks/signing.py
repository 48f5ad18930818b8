"""Compare our signing of URLs with boto3's `generate_presigned_url`, in turn, on one core.

    python benchmarks/signing.py [--smoke] [--json]

Keys have the app's form. Each round signs different keys, so that caching does not help. Ours
signs like a page of a refresh: the key that depends on the date alone is derived once per round.
Before timing, one URL of each is compared.
"""

import statistics
import time
from collections.abc import Callable
from uuid import uuid4

from pydantic import SecretStr

from benchmarks import frame
from policy.bucket import BUCKET_LIMITS
from schema.clock import utc_now
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import open_bucket
from stores.bucket.url_signer import open_signer

ROUNDS = 7
SECONDS = 604_800
ACCESS = BucketAccess(
    name="kaiwa-audio",
    endpoint="https://fly.storage.tigris.dev",
    region="auto",
    access_key_id=SecretStr("tid_benchmark_of_usual_length"),
    secret_access_key=SecretStr("tsec_benchmark_of_usual_length_too"),
)


def measure(ours: int, boto3s: int) -> frame.Figures:
    """Return the median URLs per second of both, and their ratio."""
    signer = open_signer(ACCESS)
    client = open_bucket(ACCESS, BUCKET_LIMITS).client

    def boto3_signs(key: str) -> str:
        parameters = {"Bucket": ACCESS.name, "Key": key}
        return client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=SECONDS)

    def we_sign(keys: list[str]) -> list[str]:
        dated = signer.dated(utc_now())
        return [dated.sign(key, SECONDS) for key in keys]

    _expect_the_same(lambda key: we_sign([key])[0], boto3_signs)
    paces, peers = [], []
    for _ in range(ROUNDS):
        keys = _keys(ours)
        started = time.perf_counter()
        we_sign(keys)
        paces.append(ours / (time.perf_counter() - started))
        keys = _keys(boto3s)
        started = time.perf_counter()
        for key in keys:
            boto3_signs(key)
        peers.append(boto3s / (time.perf_counter() - started))
    pace, peer = statistics.median(paces), statistics.median(peers)
    return {
        "urls_per_second": round(pace),
        "urls_per_second_boto3": round(peer),
        "us_per_url": round(1e6 / pace, 2),
        "ratio_to_boto3": round(pace / peer, 1),
    }


def _keys(count: int) -> list[str]:
    return [f"audio/{uuid4()}/{uuid4()}/{uuid4()}_1700000000000.wav" for _ in range(count)]


def _expect_the_same(ours: Callable[[str], str], boto3s: Callable[[str], str]) -> None:
    """Compare one URL, trying again until both are signed within the same second."""
    key = _keys(1)[0]
    if not any(ours(key) == boto3s(key) for _ in range(3)):
        message = "The URLs differ from boto3's."
        raise RuntimeError(message)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "ours": frame.Size(20_000, smoke=500, help="URLs that we sign each round"),
            "boto3s": frame.Size(1_000, smoke=50, help="URLs that boto3 signs each round"),
        },
    )
