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

# As the signer encodes it; few keys need that. What holds of a letter in ASCII holds of its byte.
ENCODED_KEY = r"""CASE WHEN m.audio_storage_key !~ '[^A-Za-z0-9/._~-]' THEN m.audio_storage_key
            ELSE (
                SELECT string_agg(
                    CASE WHEN letter ~ '[A-Za-z0-9/._~-]' THEN letter
                        ELSE regexp_replace(
                            upper(encode(convert_to(letter, 'UTF8'), 'hex')), '..', '%\&', 'g'
                        ) END,
                    '' ORDER BY place
                )
                FROM regexp_split_to_table(m.audio_storage_key, '')
                    WITH ORDINALITY AS spelled (letter, place)
            ) END"""


def leads_to_key(prefix: int) -> str:
    """Return whether a URL leads to the message's key behind one of the two prefixes, 1 or 2."""
    return f"""starts_with(
            m.audio_url, (CAST(:url_prefixes AS text[]))[{prefix}] || {ENCODED_KEY} || '?'
        )"""
