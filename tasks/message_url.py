"""Sign the URL of one message on demand; without Prefect, so that the command starts fast."""

from datetime import datetime

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import is_readable
from policy.retention import deletion_due
from policy.signed_urls import Sign, signed_url_verdict
from schema.errors.storage import UrlRefused
from schema.facts.urls import SignableMessage
from schema.written_text import required
from stores import signed_urls
from tasks.resources import storage
from tasks.resources.database import in_transaction

_TRIES = 3  # the row may change between reading and writing


def refresh_url(
    message_id: str,
    *,
    as_of: datetime,
    policy: AudioPolicy = DEFAULT_POLICY,
    dry_run: bool = False,
) -> str:
    """Sign a new URL for a message's recording, and store it on the message.

    Unlike a run over all messages, it does so even if the current URL is still valid for long.

    Args:
        message_id: The message.
        as_of: When the URL is signed.
        policy: Lifetime of URLs, grace period of audio.
        dry_run: Store nothing; the returned URL is then not the message's.

    Returns:
        The URL: whoever has it can listen until it expires. It lives as long as the policy allows,
        but neither longer than the recording is kept nor than the credentials.

    Raises:
        ParametersRefused: If the id is blank, or Postgres cannot store it.
        UrlRefused: If there is no such recording, or it must not be played any more.
        CredentialExpiryUnknown: If the expiry of temporary credentials is not configured.
        CredentialsExpired: If they have expired.
    """
    message_id = required(message_id, "The id of the message")
    signer = storage.signer().dated(as_of)
    for _ in range(_TRIES):
        message = _live_message(message_id)
        seconds = _lifetime_seconds(message, signer.signed_at, policy)
        url = signer.sign(message.storage_key, seconds)
        if dry_run or in_transaction(
            signed_urls.write, signer.signed_at, [(message, url, seconds)]
        ):
            return url
    raise UrlRefused(message_id, "it keeps changing; try again")


def _live_message(message_id: str) -> SignableMessage:
    found = in_transaction(signed_urls.one, message_id)
    if found is None:
        raise UrlRefused(message_id, "there is no such message, or it has no recording")
    message, is_deleted = found
    if is_deleted:
        raise UrlRefused(message_id, "its recording was deleted")
    return message


def _lifetime_seconds(message: SignableMessage, signed_at: datetime, policy: AudioPolicy) -> int:
    if refusal := policy.key_refusal(message.storage_key):
        raise UrlRefused(message.message_id, refusal)
    if message.retention_expires_at and not is_readable(message.retention_expires_at):
        raise UrlRefused(message.message_id, "its retention expiry is no date; correct the row")
    verdict = signed_url_verdict(
        None,  # as if it had no URL yet
        message.retention_expires_at,
        deletion_begun=message.deletion_begun,
        as_of=signed_at,
        credentials_expire_at=storage.signer().access.credentials_expire_at,
        policy=policy,
    )
    if isinstance(verdict, Sign):
        return verdict.expires_in_seconds
    expires_at = message.retention_expires_at
    if message.deletion_begun or expires_at is None:
        raise UrlRefused(message.message_id, "its recording is being deleted, or was erased")
    reason = f"its retention and grace periods ended on {deletion_due(expires_at, policy):%Y-%m-%d}"
    raise UrlRefused(message.message_id, f"{reason}, whether or not a legal hold keeps it")
