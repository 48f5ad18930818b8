"""A picture shows the whole page, and no page may show a secret or what a learner said."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from local import addresses
from local.addresses import S3Address, StackAddresses
from local.demo.steps import DemoFailed
from local.screenshots import camera
from local.screenshots.camera import HEIGHT, WIDTH, photograph, photograph_all
from local.screenshots.shots import Shot

SHOT = Shot("run", "/v2/runs", "Runs")


class FakeBrowser:
    """A page of a height in pixels that shows a text."""

    def __init__(self, height=HEIGHT, text=""):
        self.height, self.text, self.sizes, self.clicked = height, text, [], []

    def resize(self, width, height, *, dark=False):
        self.sizes.append((width, height))

    def run(self, script):
        return self.text if "innerHTML" in script else max(0, self.height - self.sizes[-1][1])

    def click(self, element):
        self.clicked.append(element)

    def open(self, url):
        """Go nowhere."""

    wait_until = open

    def wait_still(self):
        """Be still."""

    def photograph(self):
        return b"PNG"


@pytest.fixture
def take(tmp_path, monkeypatch):
    """Photograph one page that shows a text."""
    s3 = S3Address("http://127.0.0.1:1", "key", SecretStr("s3-secret"))
    url = SecretStr("postgresql://kaiwa:db-secret@127.0.0.1:1/app")
    addresses.save(StackAddresses(url, s3, "http://127.0.0.1:1/api"), tmp_path)
    monkeypatch.setattr(camera, "_shots", lambda _: [SHOT])
    scene = SimpleNamespace(prefect_api_url="http://127.0.0.1:1/api", log="the log")

    def _take(text):
        @contextmanager
        def started(_folder):
            yield FakeBrowser(text=text)

        monkeypatch.setattr(camera, "started", started)
        photograph_all(scene, tmp_path, tmp_path / "pictures")

    return _take


def test_a_page_is_photographed_under_its_name(take, tmp_path):
    take("<p>23 messages</p>")
    assert (tmp_path / "pictures" / "run.png").read_bytes() == b"PNG"


@pytest.mark.parametrize(
    "shown", ["s3-secret", "db-secret", "?X-Amz-Signature=", "Do you sell fresh fish?"]
)
def test_a_page_that_shows_what_nobody_may_see_ends_it(take, tmp_path, shown):
    with pytest.raises(DemoFailed, match="/v2/runs shows"):
        take(f"<p>{shown}</p>")
    assert not list((tmp_path / "pictures").iterdir())


def test_the_window_becomes_as_tall_as_the_page():
    browser = FakeBrowser(height=2345)
    photograph(browser, "http://127.0.0.1:1", SHOT)
    assert browser.sizes == [(WIDTH, HEIGHT), (WIDTH, 2345)]


def test_the_question_of_a_waiting_run_is_opened_and_stays_in_sight():
    browser = FakeBrowser(height=2345)
    photograph(browser, "http://127.0.0.1:1", Shot("run", "/v2/runs", "Approved By", asks=True))
    assert len(browser.clicked) == 2
    assert browser.sizes == [(WIDTH, HEIGHT)]
