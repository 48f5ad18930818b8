"""Rules for signed URLs: their expiry and their object."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from stores.bucket import url_signer
from stores.bucket.access import BucketAccess
from stores.quality.rules.urls import leads_to_key
from tests.support.quality import AS_OF, left_alone, observed


def signed(key, *, days=7, at=AS_OF):
    keys = SecretStr("key-id"), SecretStr("secret")
    signer = url_signer.open_signer(BucketAccess("audio", "https://s3.example", "auto", *keys))
    return signer.dated(at).sign(key, days * 86_400)


def url_of(key, **columns):
    return {
        "audio_storage_key": key,
        "audio_url": signed(key),
        "audio_url_expires_at": AS_OF + timedelta(days=7),
    } | columns


URL = url_of("audio/u/c/m.wav")
KEPT = {
    "a URL of ours": (url_of("audio/u/c/m.wav"), {}),
    "an encoded key": (url_of("audio/ü ñ/c+1/m%41.wav"), {}),
    "a URL by the app's client": (
        url_of("audio/u/c/m.wav")
        | {"audio_url": signed("audio/u/c/m.wav").replace("s3.example/audio", "audio.s3.example")},
        {},
    ),
    "a leap day": (
        url_of("audio/u/c/m.wav")
        | {
            "audio_url": signed("audio/u/c/m.wav", at=datetime(2024, 2, 29, tzinfo=UTC)),
            "audio_url_expires_at": datetime(2024, 3, 7, 0, 0, 59, tzinfo=UTC),
        },
        {},
    ),
}  # fmt: skip
BROKEN = [
    (
        "url_expiry",
        URL | {"audio_url_expires_at": AS_OF + timedelta(days=7, seconds=61)},
        {},
        "URL until 2025-10-27T12:00:00Z, row until 2025-10-27T12:01:01Z",
    ),
    (
        "url_expiry",
        URL | {"audio_url_expires_at": None},
        {},
        "URL until 2025-10-27T12:00:00Z, row until none",
    ),
    *(
        (
            "url_expiry",
            URL | {"audio_url": URL["audio_url"].replace("20251020T120000Z", date)},
            {},
            "URL until none, row until 2025-10-27T12:00:00Z",
        )
        for date in (
            "20261399T000000Z", "20250230T000000Z", "20250229T000000Z", "21000229T000000Z",
            "20250101T246060Z", "00000101T000000Z", "", "2025-10-20", "x" * 500,
        )
    ),
    *(
        (
            "url_expiry",
            URL | {"audio_url": URL["audio_url"].replace("Expires=604800", expiry)},
            {},
            "URL until none, row until 2025-10-27T12:00:00Z",
        )
        for expiry in ("Expires=", "Expires=-1", "Expires=1e9", "Expires=99999999999", "Exp=604800")
    ),
    ("url_is_ours", URL | {"audio_storage_key": None}, {}, "a URL, but no key"),
    (
        "url_is_ours",
        URL | {"audio_storage_key": "audio/u/c/m"},
        {},
        "the URL leads to another object",
    ),
    (
        "url_is_ours",
        url_of("audio/ü/m.wav", audio_url=signed("audio/u/m.wav")),
        {},
        "the URL leads to another object",
    ),
    (
        "url_is_ours",
        URL | {"audio_url": URL["audio_url"].replace("s3.example", "s3.example.evil")},
        {},
        "the URL leads outside our bucket",
    ),
]  # fmt: skip

test_what_keeps_all_rules_is_left_alone = left_alone(KEPT)
test_the_value_that_breaks_a_rule_is_observed = observed(BROKEN)


KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PREFIX = "https://audio.s3.example/"
# How a URL may name a key, or another one.
SPELLINGS = {
    "as it is signed": lambda key: quote(key, safe="/-._~"),
    "as it is": lambda key: key,
    "in lower case": lambda key: quote(key, safe="/-._~").lower(),
    "with encoded slashes": lambda key: quote(key, safe=""),
    "with one letter less": lambda key: quote(key[1:], safe="/-._~"),
    "with half an escape": lambda key: quote(key, safe="/-._~") + "%4",
    "with a NUL": lambda key: quote(key, safe="/-._~") + "%00",
}
URLS = st.builds(
    lambda key, spelling, end: (key, PREFIX + SPELLINGS[spelling](key) + end),
    KEYS,
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(["?X-Amz-Date=", "?", ""]),
)
LEADS_TO_KEY = sa.text(f"""
SELECT {leads_to_key(1)} IS TRUE
FROM unnest(CAST(:keys AS text[]), CAST(:urls AS text[])) WITH ORDINALITY AS m (
    audio_storage_key, audio_url, number
) ORDER BY m.number
""")


def test_a_url_leads_to_a_key_if_it_is_encoded_as_it_is_signed(engine):
    ascii_keys = [f"audio/{chr(code)}" for code in range(1, 128)]

    @settings(max_examples=100, deadline=None)
    @given(urls=st.lists(URLS, max_size=30))
    @example(urls=[(key, f"{PREFIX}{quote(key, safe='/-._~')}?") for key in ascii_keys])
    @example(urls=[(key, f"{PREFIX}audio/%{ord(key[-1]):02X}?") for key in ascii_keys])
    def agree(urls):
        columns = {"keys": [key for key, _ in urls], "urls": [url for _, url in urls]}
        arguments = columns | {"url_prefixes": [PREFIX]}
        assert connection.execute(LEADS_TO_KEY, arguments).scalars().all() == [
            url.startswith(f"{PREFIX}{quote(key, safe='/-._~')}?") for key, url in urls
        ]

    with engine.connect() as connection:
        agree()
