"""Chromium follows commands, reaches loopback alone, and is gone afterwards."""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Error

from local.process import marked
from local.screenshots import browser
from local.screenshots.browser import (
    BrowserFailed,
    BrowserMissing,
    find_browser,
    open_page,
    wait_still,
)

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
    with open_page(tmp_path) as page:
        page.set_viewport_size({"width": 400, "height": 300})
        page.goto(url)
        page.get_by_role("button").click()
        page.get_by_text("Clicked").wait_for()
        wait_still(page)
        picture = page.screenshot()
        assert Image.open(io.BytesIO(picture)).size == (400, 300)
        assert corner(picture) == (255, 255, 255)
        page.emulate_media(color_scheme="dark")
        assert corner(page.screenshot()) == (0, 0, 0)
        for outside in ("http://192.0.2.1/", "http://kaiwa.example/"):
            with pytest.raises(Error, match="net::ERR"):
                page.goto(outside)
        assert marked(tmp_path)
    assert not left_of(tmp_path)
    assert not (tmp_path / "chromium").exists()


@pytest.mark.usefixtures("installed")
def test_a_page_is_still_once_it_has_stopped_changing(tmp_path, url):
    with open_page(tmp_path) as page:
        page.goto(url)
        grow = "let n = 0; const timer = setInterval(() => {"
        grow += " document.body.append('x'); if (++n == 10) clearInterval(timer) }, 100)"
        page.evaluate(grow)
        wait_still(page)
        assert page.inner_text("body").count("x") == 10


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("script", ["nothing()", "throw new Error('nothing')"])
def test_an_error_of_the_browser_is_one_of_ours(tmp_path, script):
    with pytest.raises(BrowserFailed, match="nothing"), open_page(tmp_path) as page:
        page.evaluate(script)
    assert not left_of(tmp_path)


@pytest.mark.usefixtures("installed")
def test_a_browser_that_dies_is_noticed_and_cleared_away(tmp_path):
    def kill(page):
        for process in marked(tmp_path):
            process.kill()
        page.evaluate("1")

    with pytest.raises(BrowserFailed, match="closed"), open_page(tmp_path) as page:
        kill(page)
    assert not left_of(tmp_path)
    assert not (tmp_path / "chromium").exists()


def test_a_missing_browser_is_reported_with_what_to_do(monkeypatch):
    monkeypatch.setattr(browser.shutil, "which", lambda _: None)
    with pytest.raises(BrowserMissing, match="apt-get install chromium"):
        find_browser()
