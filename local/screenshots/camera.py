"""Takes the pictures and checks that no page shows a secret or what a learner said."""

from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, TimeoutError
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort

from local import addresses
from local.addresses import PrefectAddress
from local.demo.deployment_run import client_of
from local.demo.learners import PARTS
from local.demo.steps import DemoFailed, Scene
from local.screenshots.browser import BrowserFailed, open_page, wait_still
from local.screenshots.shots import ARTIFACT_KEYS, Shot, shots

WIDTH, HEIGHT = 1280, 900
_TALLEST = 8000  # pixels
_ROUNDS = 3
# Pixels below the fold: sometimes the whole page scrolls, sometimes a part of it.
_HIDDEN = """() => Math.max(0, ...[document.scrollingElement, ...document.querySelectorAll('*')]
    .filter((part, i) => !i || /auto|scroll/.test(getComputedStyle(part).overflowY))
    .map(part => part.scrollHeight - part.clientHeight))"""
_SHOWS = "text => document.body?.innerText.includes(text)"


def photograph_all(scene: Scene, folder: Path, pictures: Path) -> int:
    """Take every picture; return how many there are.

    Args:
        scene: The stack on which the story has run.
        folder: Folder of the local stack, absolute.
        pictures: Folder for the pictures, `NAME.png`.

    Raises:
        BrowserFailed: If a page does not show what it should.
        DemoFailed: If an artifact is missing, or a page shows a secret or what a learner said.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    wanted, secrets = _shots(scene), _secrets(folder)
    with open_page(folder) as page:
        log_in(page, scene.prefect)
        for shot in wanted:
            picture = photograph(page, scene.prefect.ui_url, shot)
            shown = page.inner_html("body")
            if any(secret in shown for secret in secrets):
                reason = f"the page {shot.path} shows a secret or what a learner said"
                raise DemoFailed(reason, scene.log)
            (pictures / f"{shot.name}.png").write_bytes(picture)
    return len(wanted)


def log_in(page: Page, prefect: PrefectAddress) -> None:
    """Log in to the Prefect UI; the browser remembers it for all its pages."""
    page.goto(prefect.ui_url)
    page.locator("input").first.fill(prefect.password.get_secret_value())
    page.get_by_role("button", name="Login").click()
    page.wait_for_url("**/dashboard*")


def photograph(page: Page, url: str, shot: Shot) -> bytes:
    """Take one picture of a whole page, however tall; return it as PNG.

    Raises:
        BrowserFailed: If the page does not show within a minute what it should.
    """
    page.emulate_media(color_scheme="dark" if shot.dark else "light")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(f"{url}{shot.path}")
    if shot.asks:
        page.locator("[aria-haspopup=menu]").first.click()
        page.get_by_role("menuitem", name="Resume", exact=True).click()
    try:
        page.wait_for_function(_SHOWS, arg=shot.shows)
    except TimeoutError:
        beginning = page.inner_text("body")[:300]
        reason = f"{page.url} does not show {shot.shows!r}, but {beginning!r}"
        raise BrowserFailed(reason) from None
    wait_still(page)
    if not shot.asks:  # the form of a waiting run opens in front of the page
        _unfold(page)
    return page.screenshot()


def _unfold(page: Page) -> None:
    """Make the window as tall as the page; a taller window may show more, so repeat."""
    height = HEIGHT
    for _ in range(_ROUNDS):
        hidden = int(page.evaluate(_HIDDEN))
        if not hidden:
            return
        height = min(height + hidden, _TALLEST)
        page.set_viewport_size({"width": WIDTH, "height": height})
        wait_still(page)


def _shots(scene: Scene) -> Sequence[Shot]:
    begun = FlowRunFilterStateType(not_any_=[StateType.SCHEDULED])
    with client_of(scene.prefect) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(exists_=True)),
            sort=ArtifactSort.CREATED_DESC,
        )
        missing = ARTIFACT_KEYS - {artifact.key for artifact in artifacts}
        if missing:
            reason = f"no run left an artifact {' or '.join(sorted(missing))}"
            raise DemoFailed(reason, scene.log)
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=begun)),
            sort=FlowRunSort.START_TIME_ASC,
        )
        return list(shots(client.read_deployments(), runs, artifacts[::-1]))


def _secrets(folder: Path) -> Collection[str]:
    """Return what no page may show: keys, signatures and what learners said."""
    known = addresses.load(folder)
    said = {turn.text.replace(" | ", " ") for part in PARTS for turn in part.turns}
    keys = set()
    if known is not None:
        _, _, prefect = known.prefect.password.get_secret_value().rpartition(":")
        password = urlsplit(known.database_url.get_secret_value()).password or ""
        keys = {password, prefect, known.s3.secret_access_key.get_secret_value()} - {""}
    return said | keys | {"X-Amz-"}
