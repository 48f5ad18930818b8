"""An analysis server whose processes do what hostile recordings would make them do.

    python -I tests/support/hostile_server.py START ENGINES MEMORY_BYTES CPU_SECONDS

Its processes are forked and locked down like real ones. Then the text of a message says what its
recording does, and that of one without a text says it itself; any other is analysed.
"""

import ctypes
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from schema.documents import Analysis
from schema.states import FailureCause
from tasks.analysis import listener, server, wire
from tasks.sandbox import landlock, lockdown, seccomp
from tests.support import canary

OUTCOME = wire.FailedAnswer(cause=FailureCause.NO_SPEECH, reason="Only a stand-in.")


def live(request, audio):
    """Fail, which is quicker than being analysed."""
    return OUTCOME


def die(request, audio):
    """Make a memory fault, as a bug in a native decoder would."""
    ctypes.string_at(0)


def tell_process(request, audio):
    """Say in which process it is."""
    return OUTCOME.model_copy(update={"reason": str(os.getpid())})


def hang(request, audio):
    """Wait for nothing."""
    time.sleep(3600)


def spin(request, audio):
    """Compute for ever."""
    while True:
        pass


def devour(request, audio):
    """Take more memory than allowed."""
    listener.decode = lambda *_: bytearray(64 * 1024**3)
    return listener.answer_to(request, audio, None)


def raise_bug(request, audio):
    """Fail as a defect of the engine would, quoting the learner."""
    listener.decode = lambda *_: {}[request.text]
    return listener.answer_to(request, audio, None)


def lie(request, audio):
    """Say what the parent knows better, and the best of scores."""
    analysis = Analysis(
        overall_accuracy_score=99,
        analysis_engine="other",
        analysis_version="9",
        analysis_model_version="9",
        analysis_language="ja",
        analysis_error="no error",
        analysis_duration_ms=2**31 - 1,
    )
    return wire.AnalysedAnswer(audio_seconds=1.0, analysis=analysis)


def try_all(target):
    """Try everything that would be an escape."""
    return {
        "environment": dict(os.environ),
        "descriptors": canary.descriptors(),
        "attempts": canary.try_all(target),
    }


ANSWERS = {
    answer.__name__: answer
    for answer in (live, die, tell_process, hang, spin, devour, raise_bug, lie)
}


def frame(document):
    data = document.encode() if isinstance(document, str) else document
    return wire.head(data) + data


# Runs a command when it is unpickled.
PICKLE_BOMB = b"cposix\nsystem\n(S'touch /tmp/kaiwa-pickle-bomb'\ntR."
NUMBERS = '{"kind":"analysed","audio_seconds":1.0,"analysis":{"raw_features":{"a":%s}}}'
GOOD = frame(OUTCOME.model_dump_json())
INVALID = {
    "pickle bomb": frame(PICKLE_BOMB),
    "not JSON": frame("{"),
    "not Unicode": frame(b'{"kind":"failed","cause":"no_speech","reason":"\xff"}'),
    "four gigabytes": b"\xff" * 4,
    "nothing": frame(""),
    "not a number": frame(NUMBERS % "NaN"),
    "infinite": frame(NUMBERS % "1e999"),
    "huge integer": frame(NUMBERS % ("9" * 400)),
    "deep": frame(NUMBERS % ("[" * 100_000)),
    "impossible length": frame('{"kind":"analysed","audio_seconds":1e9,"analysis":{}}'),
    "impossible score": frame(
        '{"kind":"analysed","audio_seconds":1.0,"analysis":{"overall_accuracy_score":101}}'
    ),
    "score as text": frame(
        '{"kind":"analysed","audio_seconds":1.0,"analysis":{"overall_accuracy_score":"9"}}'
    ),
    "late timing": frame(
        '{"kind":"analysed","audio_seconds":1.0,"analysis":{"speech_timings":[{"word":"a",'
        '"charStart":0,"charEnd":1,"startMs":0,"endMs":1e30}]}}'
    ),
    "another message": frame(
        '{"kind":"analysed","audio_seconds":1.0,"analysis":{"message_id":"other"}}'
    ),
    "foreign cause": frame('{"kind":"failed","cause":"storage_denied","reason":"Refused."}'),
    "endless reason": frame(
        '{"kind":"failed","cause":"no_speech","reason":"%s"}' % ("a" * 100_000)
    ),
    "another kind": frame(
        '{"kind":"described","format":null,"sample_rate_hz":null,"channels":null,'
        '"duration_ms":null}'
    ),
}
BROKEN_OFF = {"half a frame": GOOD[:-5], "half a head": b"\0\0", "no answer": b""}


def two_answers(link):
    """Answer the next message, too."""
    os.write(link, GOOD + GOOD)


def drip(link):
    """Answer one byte at a time, for ever."""
    os.write(link, (2**16).to_bytes(4, "big"))
    while True:
        os.write(link, b" ")
        time.sleep(0.05)


def flood(link):
    """Answer for ever."""
    while True:
        os.write(link, bytes(65536))


def ask(link, text):
    question = (
        b"?" + wire.Reading(text=text, voice="ja", words_per_minute=450).model_dump_json().encode()
    )
    os.write(link, wire.head(question) + question)


def ask_for_ever(link):
    """Have texts read without end."""
    while True:
        ask(link, "a")


def ask_for_a_book(link):
    """Have more read than the text can need."""
    ask(link, "a" * 10_000)


def ask_nonsense(link):
    """Ask for something else."""
    os.write(link, wire.head(b"?{}") + b"?{}")


WRITERS = {
    writer.__name__: writer
    for writer in (two_answers, drip, flood, ask_for_ever, ask_for_a_book, ask_nonsense)
}


def listen(link):
    with os.fdopen(link, "rb", closefd=False) as requests:
        while True:
            try:
                request = wire.Request.model_validate_json(wire.read_frame(requests.read, 2**30))
            except EOFError:
                return
            if request.text == "deaf":
                time.sleep(3600)
            audio = wire.read_frame(requests.read, 2**30)
            if request.text in BROKEN_OFF:
                os.write(link, BROKEN_OFF[request.text])
                return
            behave(request, audio, link)


def behave(request, audio, link):
    wish = audio.decode("latin-1") if request.text is None else request.text
    if wish.startswith("{"):
        os.write(link, frame(json.dumps(try_all(json.loads(wish)))))
    elif wish == "make all calls":
        column = seccomp._ARCHITECTURES[canary.MACHINE][1]
        allowed = {numbers[column] for numbers in seccomp._CALLS.values()}
        os.write(link, frame(json.dumps(canary.calls_that_exist(allowed))))
    elif wish in WRITERS:
        WRITERS[wish](link)
    elif wish in INVALID:
        data = memoryview(INVALID[wish])
        while data:
            data = data[os.write(link, data) :]
    else:
        answer = ANSWERS.get(wish, partial(listener.answer_to, speak=None))(request, audio)
        os.write(link, frame(answer.model_dump_json()))


def never_ready():
    """End before the first recording."""
    os._exit(3)


def hangs_at_start():
    """Never get ready."""
    time.sleep(3600)


def incomplete_installation():
    """Lack a library."""
    raise ModuleNotFoundError(name="soundfile")


def starts():
    """Get ready."""
    server.main()


def without_seccomp():
    """Lack seccomp."""
    seccomp.allow_computing_only = _lacking
    server.main()


def without_landlock():
    """Lack Landlock."""
    landlock.deny_all = _lacking
    server.main()


def with_limits_only():
    """Lack seccomp and Landlock."""
    landlock.deny_all = seccomp.allow_computing_only = _lacking
    server.main()


def loses_seccomp():
    """Have seccomp once, and then no more."""
    calls = iter([seccomp.allow_computing_only])
    seccomp.allow_computing_only = lambda: next(calls, _lacking)()
    real_fork = os.fork

    def fork():
        child = real_fork()
        if child:  # what the first process uses up is used up for the next
            next(calls, None)
        return child

    os.fork = fork
    server.main()


def without_lockdown():
    """Lock nothing down."""
    server.lock_down = lambda **_: lockdown.Lockdown((), ("everything",))
    server.main()


def _lacking():
    raise OSError


STARTS = {
    start.__name__: start
    for start in (
        starts,
        never_ready,
        hangs_at_start,
        incomplete_installation,
        without_seccomp,
        without_landlock,
        with_limits_only,
        without_lockdown,
        loses_seccomp,
    )
}


def command(start="starts"):
    """Return the command of this server, without its limits."""
    return (sys.executable, "-I", __file__, start)


if __name__ == "__main__":
    server.listen = listen
    STARTS[sys.argv.pop(1)]()
