"""Analysis processes: a bad clip affects only its own process."""

import io
import re
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import soundfile

from schema.errors.analysis import WorkerNotReady
from schema.states import AnalysisEngine, FailureCause
from settings.environment import AnalysisSettings
from speech import engine
from speech.sound_facts import SoundFacts
from tasks.analysis import listener, process, server_process, wire
from tasks.analysis import workers as analysis_workers
from tasks.analysis.voice import Voice
from tasks.analysis.workers import Analysed, AnalysisWorkers, NotAnalysed, conversation_of
from tests.support.hostile_server import BROKEN_OFF, INVALID, command
from tests.support.media import media


@pytest.fixture(scope="module")
def workers():
    with AnalysisWorkers(1, AnalysisEngine.KAIWA) as started:
        yield started


@pytest.fixture(scope="module")
def hostile():
    """Workers whose processes do what the text of a message says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_process, "COMMAND", command())
        with AnalysisWorkers(
            1, AnalysisEngine.KAIWA, AnalysisSettings(KAIWA_ANALYSIS_PATIENCE=60)
        ) as workers:
            yield workers


@pytest.fixture
def broken(monkeypatch):
    """Make workers whose server starts like this."""

    def _broken(start, **settings):
        monkeypatch.setattr(server_process, "COMMAND", command(start))
        return AnalysisWorkers(1, AnalysisEngine.KAIWA, AnalysisSettings(**settings))

    return _broken


@pytest.fixture
def hurried(monkeypatch):
    """Allow an analysis one second of processor time."""
    monkeypatch.setattr(analysis_workers, "clip_cpu_limit", lambda size: timedelta(seconds=1))


def process_of(workers):
    """Return the process that hears the last conversation."""
    return workers._idle.queue[-1]._process.status


def test_a_recording_becomes_a_validated_record(workers, spoken, claimed, noon):
    text, audio = spoken("we went to the market")
    outcome = workers.analyse(claimed(text), audio, as_of=noon)
    assert isinstance(outcome, Analysed)
    assert outcome.record.analyzed_at == noon
    assert [timing.word for timing in outcome.record.speech_timings if not timing.is_pause] == [
        "we", "went", "to", "the", "market",
    ]  # fmt: skip
    assert outcome.audio_seconds > 0.5


@pytest.mark.parametrize(
    ("native_language", "says"),
    [("ja", "良かったところ|減点の理由"), (None, "What|No"), ("hi", "What|No")],
)
def test_feedback_is_in_the_learners_language_if_it_can_be(
    workers, spoken, claimed, noon, native_language, says
):
    text, audio = spoken("we went to the market")
    outcome = workers.analyse(claimed(text, native_language=native_language), audio, as_of=noon)
    assert re.match(says, outcome.record.recommendations[-1])
    assert outcome.record.analysis_language == "en"


@pytest.mark.parametrize(
    ("text", "audio", "language", "cause"),
    [
        ("hello", b"", "en", FailureCause.UNDECODABLE),
        ("hello", bytes(48_000), "en", FailureCause.NO_SPEECH),
        ("🙂", None, "en", FailureCause.EMPTY_TEXT),
        ("こんにちは", None, "en", FailureCause.UNSUPPORTED_LANGUAGE),
    ],
)
def test_a_recording_that_cannot_be_scored_says_why(
    workers, spoken, claimed, noon, text, audio, language, cause
):
    if audio is None:
        _, audio = spoken("we went to the market")
    outcome = workers.analyse(claimed(text, language=language), audio, as_of=noon)
    assert isinstance(outcome, NotAnalysed)
    assert outcome.cause is cause
    assert len(outcome.reason) > 20


def test_a_browsers_recording_is_analysed_within_a_workers_limits(workers, spoken, claimed, noon):
    text, audio = spoken("we went to the market")
    waveform, rate_hz = soundfile.read(io.BytesIO(audio), dtype="float32")
    recorded = media(waveform, rate_hz, "mp4", "aac")
    outcome = workers.analyse(claimed(text), recorded, as_of=noon)
    assert isinstance(outcome, Analysed)
    assert outcome.audio_seconds == pytest.approx(len(waveform) / rate_hz, abs=0.01)


def test_a_worker_without_the_decoder_blames_no_recording(claimed, noon, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    request = wire.Request(text="hello", language="en")
    answer = listener.answer_to(request, b"#!AMR\n" + bytes(100), None)
    assert answer.cause is FailureCause.DECODER_MISSING
    assert "kaiwa-audio[codecs]" in answer.reason


def test_a_process_that_dies_is_replaced(hostile, claimed, noon):
    for text, cause in [
        ("live", FailureCause.NO_SPEECH),
        ("die", FailureCause.CRASHED),
        ("live", FailureCause.NO_SPEECH),
    ]:
        assert hostile.analyse(claimed(text), b"", as_of=noon).cause is cause


def test_a_death_names_its_signal(hostile, claimed, noon):
    outcome = hostile.analyse(claimed("die"), b"", as_of=noon)
    assert outcome.reason == "The analysis process ended with code -11."


def test_a_process_that_died_while_idle_counts_against_no_message(workers, claimed, noon):
    workers.analyse(claimed("hello"), b"", as_of=noon)
    idle = process_of(workers)
    idle.kill()
    while idle.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.UNDECODABLE


def test_a_server_that_died_counts_against_no_message(claimed, noon):
    with AnalysisWorkers(1, AnalysisEngine.KAIWA) as workers:
        workers.analyse(claimed("hello"), b"", as_of=noon)
        server = workers._idle.queue[-1]
        server._server.kill()
        server._server.wait()
        assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.UNDECODABLE


def test_a_server_that_cannot_start_counts_against_no_message(broken, claimed, noon):
    with pytest.raises(WorkerNotReady, match="exit code 3"):
        broken("never_ready").analyse(claimed("hello"), b"", as_of=noon)


def test_a_server_that_hangs_at_its_start_counts_against_no_message(broken, claimed, noon):
    workers = broken("hangs_at_start", KAIWA_START_SECONDS=1)
    with pytest.raises(WorkerNotReady, match="did not answer in time"):
        workers.analyse(claimed("hello"), b"", as_of=noon)


def test_why_a_server_cannot_start_is_said_on_stderr(broken, claimed, noon, capfd):
    with pytest.raises(WorkerNotReady):
        broken("incomplete_installation").analyse(claimed("hello"), b"", as_of=noon)
    assert "ModuleNotFoundError" in capfd.readouterr().err


def test_processes_are_replaced_now_and_then(hostile, claimed, noon, monkeypatch):
    monkeypatch.setattr(process, "REQUESTS_PER_PROCESS", 2)
    start = replace(claimed("live"), storage_key="audio/u/another/m.wav")
    hostile.analyse(start, b"", as_of=noon)
    pids = [hostile.analyse(claimed("tell_process"), b"", as_of=noon).reason for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_process_hears_one_conversation_only(hostile, claimed, noon):
    pids = [
        hostile.analyse(replace(claimed("tell_process"), storage_key=key), b"", as_of=noon).reason
        for key in ("audio/u/c/1.wav", "audio/u/c/2.wav", "audio/u/d/1.wav", "audio/v/c/1.wav")
    ]
    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


@pytest.mark.parametrize(
    ("key", "conversation"),
    [
        ("audio/u/c/m.wav", "audio/u/c"),
        ("audio/u/c/d/m.wav", "audio/u/c/d"),
        ("audio/u/m.wav", "audio/u/m.wav"),
        ("m.wav", "m.wav"),
        ("", ""),
    ],
)
def test_a_keys_folder_is_its_conversation(key, conversation):
    assert conversation_of(key) == conversation


def test_offsets_count_as_the_app_counts(workers, spoken, claimed, noon):
    _, audio = spoken("we went to the market")
    text = "👍 We went to the market 🎉!"
    record = workers.analyse(claimed(text), audio, as_of=noon).record
    as_javascript = text.encode("utf-16-le")
    for timing in record.speech_timings:
        piece = as_javascript[2 * timing.char_start : 2 * timing.char_end].decode("utf-16-le")
        assert piece == timing.word


@pytest.mark.usefixtures("hurried")
def test_a_recording_that_uses_up_its_processor_time_is_charged(hostile, claimed, noon):
    outcome = hostile.analyse(claimed("spin"), b"", as_of=noon)
    assert outcome.cause is FailureCause.TIMED_OUT
    assert "1 s of processor time" in outcome.reason


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("behaviour", ["hang", "deaf", "drip"])
def test_a_recording_that_hangs_is_charged(hostile, claimed, noon, behaviour):
    started = time.monotonic()
    outcome = hostile.analyse(claimed(behaviour), bytes(10_000_000), as_of=noon)
    assert outcome.cause is FailureCause.TIMED_OUT
    assert time.monotonic() - started < 30


@pytest.mark.usefixtures("hurried")
def test_a_recording_whose_process_may_not_run_is_not_charged(claimed, noon):
    with AnalysisWorkers(
        1, AnalysisEngine.KAIWA, AnalysisSettings(KAIWA_ANALYSIS_PATIENCE=2)
    ) as workers:
        workers.analyse(claimed("hello"), b"", as_of=noon)
        process_of(workers).suspend()
        outcome = workers.analyse(claimed("hello"), b"", as_of=noon)
        assert outcome.cause is FailureCause.STARVED
        assert "processor time" in outcome.reason
        assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.UNDECODABLE


@pytest.mark.usefixtures("hurried")
def test_a_recording_whose_process_runs_late_is_analysed(spoken, claimed, noon):
    text, audio = spoken("we went to the market")
    with AnalysisWorkers(
        1, AnalysisEngine.KAIWA, AnalysisSettings(KAIWA_ANALYSIS_PATIENCE=60)
    ) as workers:
        workers.analyse(claimed("hello"), b"", as_of=noon)
        suspended = process_of(workers)
        suspended.suspend()
        threading.Timer(3, suspended.resume).start()
        assert isinstance(workers.analyse(claimed(text), audio, as_of=noon), Analysed)


@pytest.mark.parametrize("size", [2, 3_000_000])
def test_a_late_answer_counts_though_its_process_sleeps_by_then(size):
    ours, theirs = socket.socketpair()
    with psutil.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as asleep, theirs:
        while asleep.status() != psutil.STATUS_SLEEPING:
            time.sleep(0.01)
        sender = threading.Thread(
            target=theirs.sendall, args=(wire.head(bytes(size)) + bytes(size),)
        )
        sender.start()
        request = wire.Request(text="a" * 10_000)
        watch = process.Watch(asleep, cpu_seconds=0, wall_seconds=60)
        asked = process.AnalysisProcess("c", ours, asleep)
        assert len(asked.ask(request, b"", watch, Voice()).answer) == size
        sender.join()
        asked.close()
        asleep.kill()


def test_a_process_gets_no_more_memory_than_allowed(hostile, claimed, noon):
    outcome = hostile.analyse(claimed("devour"), b"", as_of=noon)
    assert outcome.cause is FailureCause.CRASHED
    assert "memory" in outcome.reason


def test_a_defect_names_its_place_and_quotes_no_text(hostile, claimed, noon):
    outcome = hostile.analyse(claimed("raise_bug"), b"", as_of=noon)
    assert outcome.cause is FailureCause.ENGINE_ERROR
    assert "KeyError at hostile_server.py" in outcome.reason
    assert "raise_bug" not in outcome.reason


@pytest.mark.parametrize("answer", [*INVALID, *BROKEN_OFF, "flood"])
def test_an_invalid_answer_harms_its_own_message_only(hostile, claimed, noon, answer):
    assert hostile.analyse(claimed(answer), b"", as_of=noon).cause is FailureCause.CRASHED
    assert not Path("/tmp/kaiwa-pickle-bomb").exists()
    assert hostile.analyse(claimed("live"), b"", as_of=noon).cause is FailureCause.NO_SPEECH


def test_a_second_answer_is_not_taken_for_the_next_messages(hostile, claimed, noon):
    first = hostile.analyse(claimed("two_answers"), b"", as_of=noon)
    assert first.cause is FailureCause.NO_SPEECH
    liar = process_of(hostile).pid
    told = hostile.analyse(claimed("tell_process"), b"", as_of=noon).reason
    assert told.isdigit()
    assert told != str(liar)


def test_what_an_answer_need_not_say_is_not_taken_from_it(hostile, claimed, noon):
    outcome = hostile.analyse(claimed("lie"), b"", as_of=noon)
    record = outcome.record
    assert (record.message_id, record.analyzed_at) == ("message", noon)
    assert (record.analysis_engine, record.analysis_version) == (
        "kaiwa",
        engine.VERSION,
    )
    assert record.analysis_model_version == engine.model_version("kaiwa")
    assert (record.analysis_language, record.analysis_error) == ("en", None)
    assert record.overall_accuracy_score == 99
    assert outcome.cpu_seconds < 60


@pytest.mark.parametrize("wish", ["ask_for_ever", "ask_for_a_book", "ask_nonsense"])
def test_a_process_that_asks_for_too_much_harms_its_own_message_only(hostile, claimed, noon, wish):
    assert hostile.analyse(claimed(wish), b"", as_of=noon).cause is FailureCause.CRASHED
    assert hostile.analyse(claimed("live"), b"", as_of=noon).cause is FailureCause.NO_SPEECH


def test_an_analysis_names_the_engine_that_its_server_was_started_for(spoken, claimed, noon):
    text, audio = spoken("we went to the market")
    with AnalysisWorkers(1, AnalysisEngine.KAIWA_LARGE) as large:
        outcome = large.analyse(claimed(text), audio, as_of=noon)
    assert isinstance(outcome, Analysed), outcome
    record = outcome.record
    assert record.analysis_engine == "kaiwa-large"
    assert record.analysis_model_version == engine.model_version("kaiwa-large")


def test_a_recording_is_described(workers, spoken):
    _, audio = spoken("we went to the market")
    facts = workers.describe("audio/u/c/m.wav", audio)
    assert facts == replace(facts, format="flac", sample_rate_hz=22_050, channels=1)
    assert workers.describe("audio/u/c/m.wav", b"fLaC") == SoundFacts()


def test_a_recording_that_kills_its_reader_is_not_described(hostile):
    assert hostile.describe("audio/u/c/m.wav", b"die") == SoundFacts()


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "starts_workers.py"
    script.write_text(
        "import time\n"
        "from schema.states import AnalysisEngine\n"
        "from settings.environment import AnalysisSettings\n"
        "from tasks.analysis.server_process import AnalysisServer\n"
        "engines = {'en': AnalysisEngine.KAIWA}\n"
        "servers = [AnalysisServer(engines, AnalysisSettings()) for _ in range(2)]\n"
        "processes = [server._start('c') for server in servers]\n"
        "time.sleep(600)\n"
    )
    parent = psutil.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while len(parent.children(recursive=True)) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = parent.children(recursive=True)
    assert len(children) == 4  # two servers, each with a process
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
