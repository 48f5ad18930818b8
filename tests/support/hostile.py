"""Stand-ins for the analysis that do, in a real worker process, what a hostile clip would do."""

import inspect
import os
import signal
import struct
import time

from schema.states import FailureCause
from tasks.analysis.workers import NotAnalysed


def die(message, audio, as_of):
    """Be killed, as by the kernel or by a bug in a native decoder."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_answering(message, audio, as_of):
    """Be killed after the first bytes of the answer have left."""
    pipe = next(
        frame.frame.f_locals["pipe"] for frame in inspect.stack() if frame.function == "_serve"
    )
    os.write(pipe.fileno(), struct.pack("!i", 1_000_000) + b"only a part of it")
    die(message, audio, as_of)


def die_if_told(message, audio, as_of):
    """Be killed by one message alone; the others only fail, which is quicker than analysing."""
    if message.text == "die":
        die(message, audio, as_of)
    return NotAnalysed(FailureCause.NO_SPEECH, "Only a stand-in.")


def never_ready(pipe):
    """End before the first recording, as with a broken installation."""
    os._exit(3)


def tell_process(message, audio, as_of):
    """Say in which process it is."""
    return os.getpid()


def hang(message, audio, as_of):
    """Never end."""
    time.sleep(3600)


def devour(message, audio, as_of):
    """Take more memory than a worker may."""
    return bytearray(64 * 1024**3)


def raise_bug(message, audio, as_of):
    """Fail as a defect of the engine would."""
    raise RuntimeError(message.text)
