"""Analysis processes: a bad clip affects only its own process."""

import io
import signal
import sys
import time
from datetime import timedelta

import psutil
import pytest
import soundfile

from schema.errors.analysis import WorkerNotReady
from schema.states import FailureCause
from tasks.analysis import workers as analysis_workers
from tasks.analysis.workers import Analysed, AnalysisWorkers, NotAnalysed
from tests.support import hostile
from tests.support.media import media


@pytest.fixture(scope="module")
def workers():
    with AnalysisWorkers(1) as started:
        yield started


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
    ("text", "audio", "language", "cause"),
    [
        ("hello", b"", "en", FailureCause.UNDECODABLE),
        ("hello", bytes(48_000), "en", FailureCause.NO_SPEECH),
        ("🙂", None, "en", FailureCause.EMPTY_TEXT),
        ("こんにちは", None, "ja", FailureCause.UNSUPPORTED_LANGUAGE),
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
    outcome = analysis_workers._analyse(claimed("hello"), b"#!AMR\n" + bytes(100), noon)
    assert outcome.cause is FailureCause.DECODER_MISSING
    assert "kaiwa-audio[codecs]" in outcome.reason


@pytest.mark.parametrize("blow", [hostile.die, hostile.die_while_answering])
def test_a_killed_process_is_replaced(workers, claimed, noon, monkeypatch, blow):
    monkeypatch.setattr(analysis_workers, "_analyse", blow)
    outcome = workers.analyse(claimed("hello"), b"", as_of=noon)
    assert outcome.cause is FailureCause.CRASHED
    monkeypatch.undo()
    assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.UNDECODABLE


def test_a_process_that_died_while_idle_counts_against_no_message(workers, claimed, noon):
    workers.analyse(claimed("hello"), b"", as_of=noon)
    idle = workers._idle.queue[-1]._process
    idle.kill()
    idle.join()
    assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.UNDECODABLE


def test_a_process_that_cannot_start_counts_against_no_message(claimed, noon, monkeypatch):
    monkeypatch.setattr(analysis_workers, "_serve", hostile.never_ready)
    with AnalysisWorkers(1) as broken, pytest.raises(WorkerNotReady, match="exit code 3"):
        broken.analyse(claimed("hello"), b"", as_of=noon)


def test_processes_are_replaced_now_and_then(claimed, noon, monkeypatch):
    monkeypatch.setattr(analysis_workers, "CLIPS_PER_PROCESS", 2)
    monkeypatch.setattr(analysis_workers, "_analyse", hostile.tell_process)
    with AnalysisWorkers(1) as workers:
        pids = [workers.analyse(claimed("hello"), b"", as_of=noon) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_offsets_count_as_the_app_counts(workers, spoken, claimed, noon):
    _, audio = spoken("we went to the market")
    text = "👍 We went to the market 🎉!"
    record = workers.analyse(claimed(text), audio, as_of=noon).record
    as_javascript = text.encode("utf-16-le")
    for timing in record.speech_timings:
        piece = as_javascript[2 * timing.char_start : 2 * timing.char_end].decode("utf-16-le")
        assert piece == timing.word


def test_a_hanging_clip_is_stopped_at_its_deadline(workers, claimed, noon, monkeypatch):
    monkeypatch.setattr(analysis_workers, "_analyse", hostile.hang)
    monkeypatch.setattr(analysis_workers, "clip_deadline", lambda size: timedelta(seconds=0.5))
    assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.TIMED_OUT


def test_a_process_gets_no_more_memory_than_allowed(workers, claimed, noon, monkeypatch):
    monkeypatch.setattr(analysis_workers, "_analyse", hostile.devour)
    assert workers.analyse(claimed("hello"), b"", as_of=noon).cause is FailureCause.CRASHED


def test_a_defect_names_its_place_and_quotes_no_text(workers, spoken, claimed, noon, monkeypatch):
    monkeypatch.setattr(analysis_workers.engine, "analyze", hostile.raise_bug)
    _, audio = spoken("we went to the market")
    outcome = analysis_workers._analyse(claimed("my secret"), audio, noon)
    assert outcome.cause is FailureCause.ENGINE_ERROR
    assert "hostile.py" in outcome.reason
    assert "secret" not in outcome.reason


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "starts_workers.py"
    script.write_text(
        "import time\n"
        "from tasks.analysis.workers import AnalysisWorkers, _Worker\n"
        "if __name__ == '__main__':\n"
        "    workers = AnalysisWorkers(2)\n"
        "    started = [workers._idle.put(_Worker()) for _ in range(2)]\n"
        "    time.sleep(600)\n"
    )
    parent = psutil.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while len(parent.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)  # two workers and multiprocessing's resource tracker
    children = parent.children(recursive=True)
    assert len(children) >= 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
