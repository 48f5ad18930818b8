"""Signing URLs: ours against boto3's `generate_presigned_url`, in turn, on one core.

    python benchmarks/signing.py [--json]

Keys are of the app's form. Each round signs other keys, so that nothing can be remembered. Ours
signs as a page of a refresh does: what depends on the date alone is computed once for the round.
Before any time is taken, one URL of each is compared.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from uuid import uuid4

from pydantic import SecretStr

from schema.clock import utc_now
from stores.bucket.access import BucketAccess
from stores.bucket.audio_bucket import open_bucket
from stores.bucket.url_signer import open_signer

ROUNDS = 7
OURS, BOTO3S = 20_000, 1_000  # URLs a round
SECONDS = 604_800
ACCESS = BucketAccess(
    name="kaiwa-audio",
    endpoint="https://fly.storage.tigris.dev",
    region="auto",
    access_key_id=SecretStr("tid_benchmark_of_usual_length"),
    secret_access_key=SecretStr("tsec_benchmark_of_usual_length_too"),
)


def signing_ratio() -> dict[str, float]:
    """Return URLs a second of both, medians, and their ratio, as the report names them."""
    signer = open_signer(ACCESS)
    client = open_bucket(ACCESS).client

    def boto3_signs(key: str) -> str:
        parameters = {"Bucket": ACCESS.name, "Key": key}
        return client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=SECONDS)

    def we_sign(keys: list[str]) -> list[str]:
        dated = signer.dated(utc_now())
        return [dated.sign(key, SECONDS) for key in keys]

    _expect_the_same(lambda key: we_sign([key])[0], boto3_signs)
    ours, boto3s = [], []
    for _ in range(ROUNDS):
        keys = _keys(OURS)
        started = time.perf_counter()
        we_sign(keys)
        ours.append(OURS / (time.perf_counter() - started))
        keys = _keys(BOTO3S)
        started = time.perf_counter()
        for key in keys:
            boto3_signs(key)
        boto3s.append(BOTO3S / (time.perf_counter() - started))
    pace, peer = statistics.median(ours), statistics.median(boto3s)
    return {
        "urls_per_second": round(pace),
        "urls_per_second_boto3": round(peer),
        "us_per_url": round(1e6 / pace, 2),
        "ratio_to_boto3": round(pace / peer, 1),
    }


def _keys(count: int) -> list[str]:
    return [f"audio/{uuid4()}/{uuid4()}/{uuid4()}_1700000000000.wav" for _ in range(count)]


def _expect_the_same(ours: Callable[[str], str], boto3s: Callable[[str], str]) -> None:
    """Compare one URL; the second in which both sign may have to be waited for."""
    key = _keys(1)[0]
    if not any(ours(key) == boto3s(key) for _ in range(3)):
        message = "The URLs differ from boto3's."
        raise RuntimeError(message)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    figures = signing_ratio()
    for name, figure in figures.items():
        print(f"{name:22} {figure:>12,}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
