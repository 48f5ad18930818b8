"""How long the bucket may take before it counts as unavailable."""

from typing import Final

from schema.facts.bucket import BucketLimits

BUCKET_LIMITS: Final = BucketLimits(
    # S3 answers within a second, and listing pages of slow servers within ten; the rest is for
    # repeating what failed.
    call_seconds=60.0,
    # The app's recordings (24 kHz in 16 bits) then arrive as fast as they play; the longest that
    # is read, of 128 MiB, may take 48 minutes.
    least_bytes_per_second=48_000.0,
)
