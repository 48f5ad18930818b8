import json
import os
import subprocess
import sys
import textwrap

import psutil
import pytest

from local.process import MARK, Service, ServiceFailed, kill_marked, marked

READY = "print('ready', flush=True)"
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    kill_marked(tmp_path)


@pytest.fixture
def service(folder):
    return Service("sleeper", folder)


def start(service, code, **environment):
    """Run Python code as the service; wait until it says that it is ready."""
    service.start([sys.executable, "-c", textwrap.dedent(code)], environment)
    service.wait_ready(lambda: "ready" in log(service), timeout_seconds=30)


def log(service):
    return (service.folder / "logs" / f"{service.name}.log").read_text()


def test_a_started_process_runs_until_it_is_stopped(service):
    start(service, f"{READY}; {SLEEP}")
    process = service.process()
    assert process.is_running()
    service.stop(grace_seconds=10)
    assert service.process() is None
    assert not process.is_running()


def test_another_command_finds_and_stops_it(service, folder):
    start(service, f"{READY}; {SLEEP}")
    code = f"""
        from pathlib import Path
        from local.process import Service
        Service("sleeper", Path({str(folder)!r})).stop(grace_seconds=10)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
    assert service.process() is None


def test_it_sees_its_environment_and_nothing_else(service, folder):
    start(service, f"import os, json; print(json.dumps(dict(os.environ))); {READY}; {SLEEP}", A="1")
    seen = json.loads(log(service).splitlines()[0])
    seen.pop("LC_CTYPE", None)  # Python's own, where the locale is C
    assert seen == {"A": "1", MARK: str(folder)}


def test_a_ctrl_c_in_the_terminal_does_not_reach_it(service):
    start(service, f"{READY}; {SLEEP}")
    assert os.getsid(service.process().pid) != os.getsid(0)


def test_one_that_ends_while_starting_shows_its_last_words(service):
    service.start([sys.executable, "-c", "raise SystemExit('no disk')"], {})
    with pytest.raises(ServiceFailed, match="sleeper ended while starting") as error:
        service.wait_ready(lambda: False, timeout_seconds=30)
    assert "no disk" in error.value.tail
    assert error.value.log in str(error.value)


def test_one_that_is_never_ready_shows_its_last_words(service):
    service.start([sys.executable, "-c", f"print('waiting', flush=True); {SLEEP}"], {})
    with pytest.raises(ServiceFailed, match="not ready after 1 s") as error:
        service.wait_ready(lambda: False, timeout_seconds=1)
    assert "waiting" in error.value.tail


def test_a_stranger_on_the_port_is_not_taken_for_the_service(service):
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"
    start(service, f"{code}; {READY}; {SLEEP}")
    port = int(log(service).splitlines()[0])
    service.wait_listening(port, timeout_seconds=30)

    other = Service("other", service.folder)
    other.start([sys.executable, "-c", SLEEP], {})
    with pytest.raises(ServiceFailed):
        other.wait_listening(port, timeout_seconds=1)


def test_one_that_ignores_sigterm_is_killed(service):
    start(service, f"import signal; signal.signal(15, signal.SIG_IGN); {READY}; {SLEEP}")
    process = service.process()
    service.stop(grace_seconds=0.2)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_one_that_needs_a_second_sigterm_gets_it(service):
    code = f"""
        import signal, sys, time
        def second(*_):
            print("second", flush=True)
            sys.exit(0)
        signal.signal(15, lambda *_: signal.signal(15, second))
        {READY}
        while True:
            time.sleep(0.1)
    """
    start(service, code)
    service.stop(grace_seconds=4)
    assert "second" in log(service)


def test_its_children_end_with_it(service):
    code = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
        print(child.pid)
        {READY}
        time.sleep(600)
    """
    start(service, code)
    child = psutil.Process(int(log(service).splitlines()[0]))
    service.stop(grace_seconds=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_stranger_that_got_the_recorded_pid_is_left_alone(service, folder):
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        (folder / "run").mkdir()
        started = psutil.Process(stranger.pid).create_time() - 60
        record = json.dumps({"pid": stranger.pid, "started": started})
        (folder / "run" / "sleeper.json").write_text(record)
        assert service.process() is None
        service.stop(grace_seconds=1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("record", ["", '{"pid": 1, "sta'])
def test_a_record_that_was_not_written_to_its_end_is_no_process(service, folder, record):
    (folder / "run").mkdir()
    (folder / "run" / "sleeper.json").write_text(record)
    assert service.process() is None


def test_what_no_record_covers_is_found_by_its_mark(folder, tmp_path_factory):
    environments = [{MARK: str(folder)}, {MARK: str(tmp_path_factory.mktemp("other"))}]
    ours, other = [
        subprocess.Popen([sys.executable, "-c", SLEEP], env=environment)
        for environment in environments
    ]
    try:
        assert [process.pid for process in marked(folder)] == [ours.pid]
        assert kill_marked(folder) == 1
        assert marked(folder) == []
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()
