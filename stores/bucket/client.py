"""boto3's client of the bucket: it signs requests and reads answers; `transport` sends them."""

from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.httpsession import DEFAULT_CA_BUNDLE, get_cert_path

from stores.bucket.access import BucketAccess
from stores.bucket.transport import Transport

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def open_client(access: BucketAccess, *, max_connections: int, call_seconds: float) -> "S3Client":
    """Return a client; makes no request. It never repeats one and follows no redirect.

    Args:
        access: Where the bucket is, and the credentials for it.
        max_connections: Size of the connection pool.
        call_seconds: Limit for a request of a caller that sets no deadline.
    """
    token = access.session_token
    session = botocore.session.get_session()
    client = boto3.session.Session(botocore_session=session).client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.signing_region,
        aws_access_key_id=access.access_key_id.get_secret_value(),
        aws_secret_access_key=access.secret_access_key.get_secret_value(),
        aws_session_token=token.get_secret_value() if token else None,
        config=Config(
            signature_version="s3v4",  # otherwise boto3 signs with SigV2 in some regions
            s3={"addressing_style": access.addressing_style},
            # Not every S3 server supports the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 1},
        ),
    )
    ca_file = get_cert_path(session.get_config_variable("ca_bundle") or True)
    transport = Transport(
        ca_file=ca_file or DEFAULT_CA_BUNDLE,
        max_connections=max_connections,
        call_seconds=call_seconds,
    )
    # The type leaves out that a handler of this event may answer the request.
    client.meta.events.register("before-send.s3", transport.send)  # type: ignore[arg-type]
    client.meta.events.register_last("before-parameter-build.s3", _stay)
    return client


def _stay(context: dict[str, Any], **_: object) -> None:
    """Keep boto3 from following an answer to another region, with signatures for that region."""
    context["s3_redirect"]["redirected"] = True
