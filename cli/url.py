"""`kaiwa-audio url`: sign the URL of one message."""

from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from schema.clock import utc_now


def url(
    message: Annotated[str, typer.Argument(help="Id of the message.")],
    grace_days: Annotated[
        int, typer.Option(help="Days that expired audio is kept, as in `sweep-retention`.", min=0)
    ] = 7,
) -> None:
    """Sign a new URL for a message's recording, store it on the message and print it.

    Whoever has the URL can listen until it expires: after 7 days, or when the recording may be
    deleted.
    """
    # These load SQLAlchemy and boto3: only when the command runs.
    from policy.configuration import with_grace
    from tasks.message_url import refresh_url
    from tasks.resources.clock import require_clock

    with errors_to_stderr():
        now = utc_now()
        require_clock(now)
        signed = refresh_url(message, as_of=now, policy=with_grace(grace_days))
    typer.echo(signed)
