"""Chromium does as it is told, reaches loopback alone, and is gone afterwards."""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from PIL import Image

from local.process import marked
from local.screenshots import chromium as chromium_module
from local.screenshots.browser import BrowserFailed
from local.screenshots.chromium import BrowserMissing, find_browser, started

PAGE = b"""<!doctype html><title>A page</title>
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }
</style><button onclick="this.innerText = 'Clicked'">Click</button>"""


def left_of(folder):
    """Processes that are still there after a while: killed ones take a moment to end."""
    psutil.wait_procs(found := marked(folder), timeout=10)
    return [process for process in found if process.is_running()]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def installed():
    try:
        find_browser()
    except BrowserMissing as error:
        pytest.skip(str(error))


def corner(picture):
    return Image.open(io.BytesIO(picture)).convert("RGB").getpixel((0, 0))


@pytest.mark.usefixtures("installed")
def test_a_page_is_photographed_and_nothing_is_left(tmp_path, url):
    with started(tmp_path) as chromium:
        chromium.resize(400, 300)
        chromium.open(url)
        chromium.click("document.querySelector('button')")
        chromium.wait_until("document.body.innerText.includes('Clicked')")
        chromium.wait_still()
        picture = chromium.photograph()
        assert Image.open(io.BytesIO(picture)).size == (400, 300)
        assert corner(picture) == (255, 255, 255)
        chromium.resize(400, 300, dark=True)
        assert corner(chromium.photograph()) == (0, 0, 0)
        for outside in ("http://192.0.2.1/", "http://kaiwa.example/"):
            with pytest.raises(BrowserFailed, match="cannot be opened"):
                chromium.open(outside)
        with pytest.raises(BrowserFailed, match="nothing"):
            chromium.run("nothing()")
        assert marked(tmp_path)
    assert not left_of(tmp_path)
    assert not (tmp_path / "chromium").exists()


@pytest.mark.usefixtures("installed")
def test_a_browser_that_dies_is_noticed_and_cleared_away(tmp_path):
    with started(tmp_path) as chromium:
        for process in marked(tmp_path):
            process.kill()
        with pytest.raises(BrowserFailed, match="ended"):
            chromium.run("1")
    assert not left_of(tmp_path)
    assert not (tmp_path / "chromium").exists()


def test_a_missing_browser_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setattr(chromium_module.shutil, "which", lambda _: None)
    with pytest.raises(BrowserMissing, match="apt-get install chromium"):
        find_browser()
