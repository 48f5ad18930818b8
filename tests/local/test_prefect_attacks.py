"""A web page cannot use the local stack's Prefect server; a person can, with its password."""

import json
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from local.ports import choose_ports
from local.prefect import PrefectServer, password_file
from local.screenshots.browser import BrowserMissing, find_browser, open_page
from local.screenshots.camera import log_in
from tests.support.prefect_http import http_client

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

EVIL = {"Origin": "https://evil.example"}
REBOUND = {"Host": "evil.example", "Origin": "http://evil.example"}
# What a browser sends without asking the server first, and a body without a type, which Prefect
# takes for JSON.
TYPES = ["text/plain", "application/x-www-form-urlencoded", None, "application/json"]
# Everything that needs no question in advance, tried from a page of another origin.
ATTACK = """async ([url, deployment, run]) => {
    const told = [];
    const ask = async (path, init) => {
        try {
            const answer = await fetch(url + path, init);
            told.push(`${init.mode ?? 'cors'} ${answer.status} ${await answer.text()}`);
        } catch (error) { told.push(`refused ${error.message}`); }
    };
    const body = JSON.stringify({parameters: {user_id: 'victim'}});
    for (const mode of ['no-cors', 'cors']) {
        for (const data of [body, new Blob([body]), new Blob([body], {type: 'text/plain'})]) {
            const init = {method: 'POST', body: data, mode, credentials: 'include'};
            await ask(`/deployments/${deployment}/create_flow_run`, init);
            await ask(`/flow_runs/${run}/resume`, {...init, body: '{}'});
            await ask('/flow_runs/filter', {...init, body: '{}'});
        }
    }
    await ask('/flow_runs/filter', {method: 'POST', headers: {'Content-Type': 'application/json'}});
    await ask(`/flow_runs/${run}`, {method: 'DELETE'});
    return told;
}"""
LISTEN = """url => new Promise(done => {
    const socket = new WebSocket(url, 'prefect');
    const told = [];
    socket.onopen = () => socket.send(JSON.stringify({type: 'auth', token: null}));
    socket.onmessage = message => told.push(message.data);
    socket.onclose = () => done(told);
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def prefect(folder):
    server = PrefectServer(folder)
    yield server.start(choose_ports(["prefect"], folder / "ports.json")["prefect"])
    server.stop()


@pytest.fixture(scope="module")
def ours(prefect):
    """A client that knows the password."""
    with http_client(prefect) as client:
        yield client


@pytest.fixture(scope="module")
def deployment(ours):
    flow_id = ours.post("flows/", json={"name": "erase-learner"}).json()["id"]
    described = {"name": "erase-learner", "flow_id": flow_id, "entrypoint": "flows:erase_learner"}
    return ours.post("deployments/", json=described).json()["id"]


@pytest.fixture
def waiting(ours, deployment):
    """A paused run with a parameter that nobody else may read."""
    body = {"parameters": {"user_id": "SECRETLEARNER"}}
    run = ours.post(f"deployments/{deployment}/create_flow_run", json=body).json()["id"]
    for state in ("RUNNING", "PAUSED"):
        ours.post(f"flow_runs/{run}/set_state", json={"state": {"type": state}, "force": True})
    return run


@pytest.fixture
def unchanged(ours, waiting):
    """Afterwards no run was created, resumed or deleted."""
    before = ours.post("flow_runs/count").json()
    yield
    assert ours.post("flow_runs/count").json() == before
    assert ours.get(f"flow_runs/{waiting}").json()["state_type"] == "PAUSED"


def attempts(deployment, run):
    return [
        ("POST", f"/deployments/{deployment}/create_flow_run", {"parameters": {"dry_run": False}}),
        ("POST", f"/flow_runs/{run}/resume", {"run_input": {"approved_by": "evil"}}),
        ("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True}),
        ("POST", "/flow_runs/filter", {}),
        ("POST", "/logs/filter", {}),
        ("GET", f"/flow_runs/{run}", None),
        ("DELETE", f"/flow_runs/{run}", None),
        ("GET", "/admin/settings", None),
    ]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("content_type", TYPES, ids=str)
@pytest.mark.parametrize("page", [EVIL, REBOUND, {}], ids=["cross-origin", "rebound", "program"])
def test_nobody_without_the_password_starts_resumes_or_reads_a_run(
    prefect, deployment, waiting, page, content_type
):
    headers = page | ({"Content-Type": content_type} if content_type else {})
    with httpx.Client(base_url=prefect.api_url, trust_env=False, headers=headers) as client:
        for method, path, body in attempts(deployment, waiting):
            content = None if body is None else json.dumps(body).encode()
            answer = client.request(method, path, content=content)
            assert answer.status_code == (400 if page is REBOUND else 401), path
            assert "SECRETLEARNER" not in answer.text
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.usefixtures("unchanged")
def test_a_name_that_was_made_to_mean_this_machine_is_refused_even_with_the_password(
    prefect, deployment, waiting, ours
):
    for method, path, body in attempts(deployment, waiting):
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            ours.request(method, path.removeprefix("/"), json=body, headers=REBOUND)


@pytest.mark.parametrize("wrong", ["admin:", "admin:password", "x" * 5000])
def test_a_wrong_password_is_refused(prefect, wrong):
    user, _, password = wrong.partition(":")
    answer = httpx.post(
        f"{prefect.api_url}/flow_runs/filter", auth=(user, password), json={}, trust_env=False
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_browser_that_asks_in_advance_is_told_no(prefect, method):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "*"}
    for page in (EVIL, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
        answer = httpx.options(
            f"{prefect.api_url}/flow_runs/filter", headers=page | asked, trust_env=False
        )
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers


def test_its_own_page_may_ask(prefect):
    port = urlsplit(prefect.api_url).port
    for name in ("127.0.0.1", "localhost"):
        origin = f"http://{name}:{port}"
        asked = {
            "Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }  # fmt: skip
        answer = httpx.options(f"{prefect.api_url}/flow_runs/filter", headers=asked)
        assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("path", ["events/out", "events/in", "logs/out"])
@pytest.mark.parametrize("token", [None, "", "admin:password"])
def test_nobody_without_the_password_listens_to_events_or_logs(prefect, path, token):
    url = f"{prefect.api_url.replace('http', 'ws')}/{path}"
    with connect(url, origin="https://evil.example", subprotocols=["prefect"]) as socket:
        socket.send(json.dumps({"type": "auth", "token": token}))
        with pytest.raises(ConnectionClosed, match="1008"):
            socket.recv(timeout=10)


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 101), ("evil.example", 400)])
def test_a_socket_opens_under_the_servers_own_names_only(prefect, host, status):
    port = urlsplit(prefect.api_url).port
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        upgrade = {
            "Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol": "prefect",
        }  # fmt: skip
        connection.request("GET", "/api/events/out", headers=upgrade)
        assert connection.getresponse().status == status


def test_the_password_is_for_its_owner_alone_and_stays(prefect, folder):
    file = password_file(folder)
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
    user, _, password = file.read_text().partition(":")
    assert user == "admin"
    assert len(password) >= 32
    assert file.read_text() == prefect.password.get_secret_value()


def test_it_does_not_show_in_the_servers_log_or_command_line(prefect, folder):
    _, _, password = prefect.password.get_secret_value().partition(":")
    assert password not in (folder / "logs" / "prefect-server.log").read_text()
    process = PrefectServer(folder)._service.process()
    assert password not in " ".join(process.cmdline())


class EvilPage(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Free games</title>")

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def evil_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), EvilPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(tmp_path):
    with suppress(BrowserMissing):
        find_browser()
        with open_page(tmp_path) as page:
            yield page
            return
    pytest.skip("no Chromium is installed")


@pytest.mark.usefixtures("unchanged")
def test_a_page_in_a_real_browser_starts_resumes_and_reads_nothing(
    page, prefect, deployment, waiting, evil_url
):
    log_in(page, prefect)  # the attack comes from a second page of the same browser
    page.goto(evil_url)
    told = page.evaluate(ATTACK, [prefect.api_url, deployment, waiting])
    assert len(told) == 20
    assert "SECRETLEARNER" not in " ".join(told)
    assert {one.split()[0] for one in told} <= {"no-cors", "refused"}
    socket = f"{prefect.api_url.replace('http', 'ws')}/events/out"
    assert page.evaluate(LISTEN, socket) == []


@pytest.mark.parametrize("ui", ["", "/v2"])
def test_a_person_logs_in_with_the_password(page, prefect, waiting, ui):
    log_in(page, prefect)
    page.goto(f"{prefect.ui_url}{ui}/runs/flow-run/{waiting}")
    expect(page.get_by_text("erase-learner").first).to_be_visible()
