import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import yaml

from deployments import automations
from deployments.work_pool import WORK_POOL
from local import process, stack
from local.ports import HOST, choose_ports
from local.prefect import PROJECT, BootstrapFailed, PrefectServer, password_file
from local.stack import Stack, StackBusy
from tests.support.prefect_http import http_client

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = (sys.executable, "-m", "local")
KEY = "audio/kept.wav"


def make_folder():
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-stack-"))
    folder.chmod(0o711)  # run as root, Postgres is another user
    return folder


def remove(folder):
    Stack(folder).down()
    # An initdb whose launcher was killed ends by itself, but it may be writing still.
    home = str(folder / "postgres")
    wait_for(lambda: all(p.info["cwd"] != home for p in psutil.process_iter(["cwd"])))
    shutil.rmtree(folder)


def launch(*arguments):
    """Run the command as on a bare machine: an empty environment."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(*arguments):
    """Run the command to its end; return its exit status and its output."""
    command = launch(*arguments)
    output, _ = command.communicate(timeout=300)
    return command.returncode, output


def everything_of(folder):
    """Live processes of a stack, those included that dropped its mark."""
    found = process.marked(folder)
    pid = Stack(folder)._postgres.pid
    return [*found, psutil.Process(pid)] if pid else found


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def folder():
    folder = make_folder()
    yield folder
    remove(folder)


@pytest.fixture(scope="module")
def running():
    """A running stack, brought up by the command, and what the command said."""
    folder = make_folder()
    status, output = run("up", "--folder", str(folder))
    assert status == 0, output
    yield Stack(folder), output
    remove(folder)


def test_up_tells_where_things_are(running):
    stack, output = running
    addresses = stack.addresses()
    for address in (addresses.prefect.ui_url, addresses.s3.endpoint, str(stack.folder / "env")):
        assert address in output
    assert str(stack.folder / "reports") in output
    assert f"cat {password_file(stack.folder)}" in output
    assert password_file(stack.folder).read_text() == addresses.prefect.password.get_secret_value()


def test_secrets_are_not_printed(running):
    stack, output = running
    addresses = stack.addresses()
    assert addresses.s3.secret_access_key.get_secret_value() not in output
    assert addresses.database_url.get_secret_value() not in output
    assert addresses.prefect.password.get_secret_value() not in output


def test_every_part_runs(running):
    stack, _ = running
    assert all(stack.status().values())
    status, output = run("status", "--folder", str(stack.folder))
    assert status == 0, output


def test_the_schema_is_there(running):
    stack, _ = running
    with psycopg.connect(stack.addresses().database_url.get_secret_value()) as connection:
        found = connection.execute("SELECT to_regclass('public.message_audio_analysis')").fetchone()
    assert found != (None,)


def test_the_bucket_is_ours(running):
    stack, _ = running
    stack.addresses().s3.bucket().verify_marker()


def test_the_ui_is_served_and_asks_the_right_api(running):
    stack, _ = running
    addresses = stack.addresses()
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        page = client.get(addresses.prefect.ui_url)
        settings = client.get(f"{addresses.prefect.ui_url}/ui-settings").raise_for_status().json()
    assert page.is_success
    assert "<html" in page.text
    assert settings["api_url"] == addresses.prefect.api_url


def test_every_deployment_of_the_project_is_registered_to_our_worker(running):
    stack, _ = running
    with http_client(stack.addresses().prefect) as client:
        found = client.post("deployments/filter", json={}).json()
    wanted = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    assert {d["name"] for d in found} == {d["name"] for d in wanted}
    assert {d["work_pool_name"] for d in found} == {WORK_POOL}


def test_every_automation_is_applied_and_without_an_address_it_says_so(running):
    stack, output = running
    with http_client(stack.addresses().prefect) as client:
        found = client.post("automations/filter").json()
    assert {a["name"] for a in found} == {a["name"] for a in automations.automations()}
    assert "Nobody is notified" in output


def test_scheduled_runs_appear(running):
    stack, _ = running
    query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    with http_client(stack.addresses().prefect) as client:
        wait_for(lambda: client.post("flow_runs/count", json=query).json() > 0)


def test_everything_listens_on_loopback_alone(running):
    stack, _ = running
    listening = {
        (p.name(), s.laddr.ip)
        for p in everything_of(stack.folder)
        for s in p.net_connections("inet")
        if s.status == psutil.CONN_LISTEN
    }
    assert len(listening) >= 2
    assert {ip for _, ip in listening} == {HOST}


def test_another_user_reads_no_file_of_the_stack(running):
    stack, _ = running
    assert list(readable_by_others(stack.folder)) == []


def readable_by_others(folder):
    """Yield the files that other users of the machine can open, except locks and port numbers."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if path.is_symlink() or path.name in {"lock", "ports.json"}:
            continue
        if path.is_dir():
            if mode & stat.S_IXOTH:
                yield from readable_by_others(path)
        elif mode & stat.S_IROTH:
            yield path


def test_up_again_changes_nothing_that_runs(running):
    stack, _ = running
    before = {p.pid for p in everything_of(stack.folder)}
    addresses = stack.addresses()
    assert stack.up(lambda _: None) == addresses
    assert before <= {p.pid for p in everything_of(stack.folder)}


def test_a_second_command_at_the_same_time_is_refused(running):
    stack, _ = running
    with stack._locked(), pytest.raises(StackBusy):
        Stack(stack.folder).down()


def test_a_dead_part_is_replaced_and_what_was_stored_is_kept(running):
    stack, _ = running
    bucket = stack.addresses().s3.bucket()
    bucket.put(KEY, b"data", "audio/wav")
    database_url = stack.addresses().database_url
    with psycopg.connect(database_url.get_secret_value(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept ()")
    os.kill(stack._worker._service.process().pid, signal.SIGKILL)
    for _ in range(200):  # a kill takes its moment
        if not stack.status()["Prefect worker"]:
            break
        time.sleep(0.05)
    assert not stack.status()["Prefect worker"]
    assert run("status", "--folder", str(stack.folder))[0] == 1

    status, output = run("up", "--folder", str(stack.folder))
    assert status == 0, output
    assert all(stack.status().values())
    addresses = stack.addresses()
    assert addresses.s3.bucket().get(KEY, max_bytes=10) == b"data"
    with psycopg.connect(addresses.database_url.get_secret_value()) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)


# The last one that uses the running stack: it stops it.


def test_down_stops_all_and_leaves_no_addresses(running):
    stack, _ = running
    assert everything_of(stack.folder)
    status, output = run("down", "--folder", str(stack.folder))
    assert status == 0, output
    assert everything_of(stack.folder) == []
    assert not any(stack.status().values())
    assert stack.addresses() is None
    assert not (stack.folder / "env").exists()


def test_down_of_what_was_never_up_makes_no_folder(folder):
    nowhere = folder / "nowhere"
    Stack(nowhere).down()
    assert not nowhere.exists()


@pytest.mark.parametrize("service", ["swift-object", "prefect-server"])
def test_what_a_killed_launcher_left_can_be_stopped(folder, service):
    launcher = launch("up", "--folder", str(folder))
    record = folder / "run" / f"{service}.json"
    wait_for(lambda: record.exists() or launcher.poll() is not None)
    launcher.kill()
    launcher.communicate()
    assert everything_of(folder)
    Stack(folder).down()
    assert everything_of(folder) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_launcher_that_is_broken_off_cleans_up(folder, signal_number):
    launcher = launch("up", "--folder", str(folder))
    wait_for((folder / "run" / "prefect-server.json").exists)
    launcher.send_signal(signal_number)
    launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert everything_of(folder) == []
    assert Stack(folder).addresses() is None


def test_a_start_that_fails_half_way_stops_what_it_started(folder, monkeypatch):
    seen = threading.Event()

    def fail(*_):
        if everything_of(folder):
            seen.set()
        reason = "no such flow"
        raise BootstrapFailed(reason)

    monkeypatch.setattr(stack, "bootstrap", fail)
    with pytest.raises(BootstrapFailed, match="no such flow"):
        Stack(folder).up(lambda _: None)
    assert seen.is_set()
    assert everything_of(folder) == []
    assert Stack(folder).addresses() is None


def test_runs_that_were_due_while_the_server_was_down_are_not_made_up_for(folder):
    port = choose_ports(("prefect",), folder / "ports.json")["prefect"]
    server = PrefectServer(folder)
    prefect = server.start(port)
    missed, to_come = (schedule_run(prefect, timedelta(days=days)) for days in (-1, 1))
    server.stop()
    assert server.start(port) == prefect
    with http_client(prefect) as client:
        types = [client.get(f"flow_runs/{r}").json()["state_type"] for r in (missed, to_come)]
    server.stop()
    assert types == ["CANCELLED", "SCHEDULED"]


def schedule_run(prefect, delay):
    state = {"scheduled_time": (datetime.now(UTC) + delay).isoformat()}
    with http_client(prefect) as client:
        flow = client.post("flows/", json={"name": "late"}).json()
        run = {"flow_id": flow["id"], "state": {"type": "SCHEDULED", "state_details": state}}
        return client.post("flow_runs/", json=run).json()["id"]
