"""A picture shows the whole page, and no page may show a secret or what a learner said."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from playwright.sync_api import TimeoutError
from pydantic import SecretStr

from local import addresses
from local.addresses import PrefectAddress, S3Address, StackAddresses
from local.demo.steps import DemoFailed
from local.screenshots import camera
from local.screenshots.browser import BrowserFailed
from local.screenshots.camera import HEIGHT, WIDTH, photograph, photograph_all
from local.screenshots.shots import Shot

SHOT = Shot("run", "/v2/runs", "Runs")


class FakePage:
    """A page of a height in pixels that shows a text."""

    url = "http://127.0.0.1:1/v2/runs"

    def __init__(self, height=HEIGHT, html="Runs"):
        self.height, self.html, self.sizes, self.clicked = height, html, [], []

    def set_viewport_size(self, size):
        self.sizes.append((size["width"], size["height"]))

    def evaluate(self, _script):
        return max(0, self.height - self.sizes[-1][1])

    def inner_html(self, _selector):
        return self.html

    inner_text = inner_html

    def wait_for_function(self, _script, *, arg=None, polling=None):
        if arg is not None and arg not in self.html:
            raise TimeoutError(arg)

    def locator(self, selector):
        return SimpleNamespace(first=SimpleNamespace(click=lambda: self.clicked.append(selector)))

    def get_by_role(self, _role, *, name, exact):
        return SimpleNamespace(click=lambda: self.clicked.append(name))

    def goto(self, _url):
        """Go nowhere."""

    def emulate_media(self, *, color_scheme):
        """Look the same in all colours."""

    def screenshot(self):
        return b"PNG"


@pytest.fixture
def take(tmp_path, monkeypatch):
    """Photograph one page that shows a text."""
    s3 = S3Address("http://127.0.0.1:1", "key", SecretStr("s3-secret"))
    url = SecretStr("postgresql://kaiwa:db-secret@127.0.0.1:1/app")
    prefect = PrefectAddress("http://127.0.0.1:1/api", SecretStr("admin:prefect-secret"))
    addresses.save(StackAddresses(url, s3, prefect), tmp_path)
    monkeypatch.setattr(camera, "_shots", lambda _: [SHOT])
    monkeypatch.setattr(camera, "log_in", lambda *_: None)
    scene = SimpleNamespace(prefect=prefect, log="the log")

    def _take(text):
        @contextmanager
        def open_page(_folder):
            yield FakePage(html=f"Runs {text}")

        monkeypatch.setattr(camera, "open_page", open_page)
        photograph_all(scene, tmp_path, tmp_path / "pictures")

    return _take


def test_a_page_is_photographed_under_its_name(take, tmp_path):
    take("<p>23 messages</p>")
    assert (tmp_path / "pictures" / "run.png").read_bytes() == b"PNG"


@pytest.mark.parametrize(
    "shown",
    ["s3-secret", "db-secret", "prefect-secret", "?X-Amz-Signature=", "Do you sell fresh fish?"],
)
def test_a_page_that_shows_what_nobody_may_see_ends_it(take, tmp_path, shown):
    with pytest.raises(DemoFailed, match="/v2/runs shows"):
        take(f"<p>{shown}</p>")
    assert not list((tmp_path / "pictures").iterdir())


def test_a_page_that_does_not_show_what_it_should_ends_it():
    with pytest.raises(BrowserFailed, match="does not show 'Runs', but 'No such page'"):
        photograph(FakePage(html="No such page"), "http://127.0.0.1:1", SHOT)


def test_the_window_becomes_as_tall_as_the_page():
    page = FakePage(height=2345)
    photograph(page, "http://127.0.0.1:1", SHOT)
    assert page.sizes == [(WIDTH, HEIGHT), (WIDTH, 2345)]


def test_the_question_of_a_waiting_run_is_opened_and_stays_in_sight():
    page = FakePage(height=2345, html="Approved By")
    photograph(page, "http://127.0.0.1:1", Shot("run", "/v2/runs", "Approved By", asks=True))
    assert page.clicked == ["[aria-haspopup=menu]", "Resume"]
    assert page.sizes == [(WIDTH, HEIGHT)]
