"""SQL that reads a signed URL: when it expires, and whether it leads to the message's key."""

# Parts are cut out of the URL, because a regular expression over all of it would dominate the cost.
# Invalid dates such as 30 February would raise an error, so the pattern contains the calendar.
_SIGNED_AT = "split_part(split_part(m.audio_url, 'X-Amz-Date=', 2), '&', 1)"
_SIGNED_FOR = "split_part(split_part(m.audio_url, 'X-Amz-Expires=', 2), '&', 1)"
_DAY = (
    r"[12]\d{3}((0[13578]|1[02])(0[1-9]|[12]\d|3[01])|(0[469]|11)(0[1-9]|[12]\d|30)"
    r"|02(0[1-9]|1\d|2[0-8]))"
    r"|([12]\d(0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)0229"
)
_DATE = rf"^({_DAY})T([01]\d|2[0-3])([0-5]\d){{2}}Z$"
# When the URL expires; NULL if unknown.
ENDS_AT = rf"""CASE WHEN {_SIGNED_AT} ~ '{_DATE}' AND {_SIGNED_FOR} ~ '^\d{{1,9}}$'
            THEN CAST({_SIGNED_AT} AS timestamp)
                + CAST({_SIGNED_FOR} AS integer) * interval '1 second' END"""

# As the signer encodes a key: these letters as they are, other bytes as upper-case hex. What is
# encoded without need, and NUL, is left out: then equal keys mean equal URLs.
_PLAIN = "[A-Za-z0-9/._~-]"
_ENCODED = f"^({_PLAIN}|%(?!00|2[DEF]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])[0-9A-F]{{2}})+$"


def leads_to_key(prefix: int) -> str:
    """Return whether a URL leads to the message's key behind one of the two prefixes, 1 or 2.

    Few keys need encoding. For these the URL's part is decoded byte for byte: JSON decodes an
    escape to a character below 256, which LATIN1 encodes as that byte. No subquery: a query with
    one that depends on its rows is not shared between processes.
    """
    address = f"(CAST(:url_prefixes AS text[]))[{prefix}]"
    path = f"split_part(substr(m.audio_url, char_length({address}) + 1), '?', 1)"
    return rf"""CASE WHEN m.audio_storage_key !~ '[^A-Za-z0-9/._~-]'
            THEN starts_with(m.audio_url, {address} || m.audio_storage_key || '?')
        WHEN starts_with(m.audio_url, {address}) AND {path} ~ '{_ENCODED}'
            THEN starts_with(m.audio_url, {address} || {path} || '?') AND convert_to(
                CAST('"' || replace({path}, '%', '\u00') || '"' AS jsonb) #>> '{{}}', 'LATIN1'
            ) = convert_to(m.audio_storage_key, 'UTF8') END"""
