"""`kaiwa-audio storage`: set up the audio bucket."""

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal

app = typer.Typer(help="Set up the audio bucket.", no_args_is_help=True)


@app.callback()
def storage() -> None:
    """Keep `init` a subcommand while it is the only one."""


@app.command()
def init() -> None:
    """Create the bucket and its marker object; safe to repeat."""
    # These load boto3: only when a command needs it.
    from stores.bucket.audio_bucket import MARKER_KEY
    from tasks.resources.storage import bucket

    with errors_to_stderr():
        audio = bucket()
        made = audio.create_with_marker()
    console = Terminal()
    console.print(f"Bucket {audio.name}: {'created' if made.bucket_created else 'already exists'}")
    console.print(f"Marker {MARKER_KEY}: {'written' if made.marker_written else 'already exists'}")
