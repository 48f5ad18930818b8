import os
import signal
import sys
import time

import psutil
import pytest

from schema.errors.analysis import VoiceFailed
from tasks.analysis import voice as voices
from tasks.analysis import wire
from tasks.analysis.voice import Voice

HELLO = wire.Reading(text="Hello, you there.", voice="en-us", words_per_minute=150)


@pytest.fixture
def voice():
    with Voice() as speak:
        yield speak


@pytest.fixture
def pretender(monkeypatch, voice):
    """Have a Python program answer in place of espeak-ng."""

    def _pretender(program):
        monkeypatch.setattr(voices, "COMMAND", (sys.executable, "-I", "-c", program))
        monkeypatch.setattr(voices, "_LEAST_SECONDS", 1.0)
        return voice

    return _pretender


def process_of(voice):
    return psutil.Process(voice._process.pid)


def test_words_and_phones_come_in_order_with_their_times(voice):
    speech = voice("Hello, you there.", voice="en-us", words_per_minute=150)
    assert [place for place, _ in speech.words] == [0, 7, 11]
    for seconds in ([at for _, at in speech.words], [at for _, at in speech.phones]):
        assert seconds == sorted(seconds)
        assert 0 <= seconds[0] <= seconds[-1] <= speech.seconds
    assert "h" in speech.phones[0][0]
    assert 0.5 < speech.seconds < 3
    assert abs(speech.waveform).max() > 0.1


def test_a_reading_does_not_depend_on_those_before_it(voice):
    before = voice.read_aloud(HELLO)
    voice.read_aloud(wire.Reading(text="Guten Tag", voice="de", words_per_minute=300, pitch=90))
    assert voice.read_aloud(HELLO) == before
    with Voice() as other:
        assert other.read_aloud(HELLO) == before


def test_voices_may_change_as_often_as_they_like(voice):
    guten_tag = wire.Reading(text="Guten Tag", voice="de", words_per_minute=450)
    before = voice.read_aloud(guten_tag)
    for number in range(200):
        language = ("es", "de")[number % 2]
        reading = voice.read_aloud(guten_tag.model_copy(update={"voice": language}))
        assert (reading == before) == (language == "de")


def test_a_faster_pace_takes_less_time(voice):
    slow, fast = (
        voice("It is a long way home.", voice="en-us", words_per_minute=pace).seconds
        for pace in (100, 300)
    )
    assert slow > 2 * fast


def test_offsets_count_code_points(voice):
    speech = voice("Ça va 😀 bien", voice="fr", words_per_minute=150)
    assert speech.words[-1][0] == 8


@pytest.mark.parametrize(
    "text",
    ["", "\x00", "[[h@l'oU]]", "<speak><mark name='a'/>", "😀" * 50, "a" * 20_000, "\u202e."],
)
def test_no_text_breaks_the_voice(voice, text):
    voice(text, voice="en-us", words_per_minute=450)
    assert voice("Hello.", voice="en-us", words_per_minute=150).seconds > 0.2


def test_a_process_that_was_killed_is_replaced_and_the_reading_repeated(voice):
    before = voice.read_aloud(HELLO)
    process_of(voice).kill()
    assert voice.read_aloud(HELLO) == before


def test_the_process_is_kept_between_readings(voice):
    voice.read_aloud(HELLO)
    first = process_of(voice).pid
    voice.read_aloud(HELLO)
    assert process_of(voice).pid == first


def test_a_process_that_hangs_is_replaced_in_bounded_time(voice, monkeypatch):
    voice.read_aloud(HELLO)
    monkeypatch.setattr(voices, "_LEAST_SECONDS", 1.0)
    os.kill(process_of(voice).pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        voice._asked(HELLO)
    assert time.monotonic() - started < 10
    monkeypatch.setattr(voices, "_LEAST_SECONDS", 10.0)
    assert voice.read_aloud(HELLO)


def test_a_reading_that_hangs_ends_with_its_process(voice, monkeypatch):
    voice.read_aloud(HELLO)
    process = process_of(voice)
    monkeypatch.setattr(voices, "_LEAST_SECONDS", 0.5)
    endless = HELLO.model_copy(update={"text": "hello " * 5_000, "words_per_minute": 80})
    monkeypatch.setattr(voices, "_CHARACTERS_PER_SECOND", 1e9)
    with pytest.raises(TimeoutError):
        voice._asked(endless)
    readers = process.children()
    assert readers
    voice.close()
    _, alive = psutil.wait_procs(readers, timeout=5)
    assert not alive


def test_an_unknown_voice_is_a_failure(voice):
    with pytest.raises(VoiceFailed):
        voice.read_aloud(HELLO.model_copy(update={"voice": "nobody"}))
    assert voice.read_aloud(HELLO)


@pytest.mark.parametrize(
    "program",
    [
        "",  # ends at once
        "import time; time.sleep(60)",
        "import sys; sys.stdout.write('{'); sys.stdout.flush(); sys.stdin.read()",
        "import os; os.write(1, bytes([0, 0, 0, 9]) + b'{\"words\":'); os._exit(0)",
        "import os; os.write(1, b'\\xff' * 100); os._exit(0)",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        "import os\nwhile True: os.write(1, b'\\0\\0\\0\\2{}')",
    ],
)
def test_a_process_that_answers_nonsense_or_nothing_fails_in_bounded_time(pretender, program):
    started = time.monotonic()
    with pytest.raises(VoiceFailed):
        pretender(program).read_aloud(HELLO)
    assert time.monotonic() - started < 15


def test_a_flood_of_errors_does_not_stop_a_reading(pretender):
    answer = wire.ReadAloud(words=[(0, 0)], phones=[]).model_dump_json()
    flooding = pretender(
        "import os, struct\n"
        "os.write(2, b'x' * 2**20)\n"
        f"for part in ({answer!r}.encode(), bytes(8)):\n"
        "    os.write(1, struct.pack('!I', len(part)) + part)\n"
        "os.read(0, 10**6)"
    )
    said, samples = flooding.read_aloud(HELLO)
    assert (said.words, samples) == ([(0, 0)], bytes(8))
