"""Takes the pictures, and looks on every page for what must not be shown."""

from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import urlsplit

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
from local.demo.deployment_run import client_of
from local.demo.learners import PARTS
from local.demo.steps import DemoFailed, Scene
from local.screenshots.browser import Browser
from local.screenshots.chromium import started
from local.screenshots.shots import ARTIFACT_KEYS, Shot, shots

WIDTH, HEIGHT = 1280, 900
_TALLEST = 8000  # pixels
_ROUNDS = 3
# How much of the page is hidden below the fold; the UI scrolls now itself, now a part of itself.
_HIDDEN = """Math.max(0, ...[document.scrollingElement, ...document.querySelectorAll('*')]
    .filter((part, i) => !i || /auto|scroll/.test(getComputedStyle(part).overflowY))
    .map(part => part.scrollHeight - part.clientHeight))"""
_MENU = "document.querySelector('[aria-haspopup=menu]')"
_RESUME = "[...document.querySelectorAll('[role=menuitem]')].find(one => one.innerText == 'Resume')"


def photograph_all(scene: Scene, folder: Path, pictures: Path) -> int:
    """Take every picture; return how many.

    Args:
        scene: Where everything has run.
        folder: Of the local stack, absolute.
        pictures: Where they go, as `NAME.png`.

    Raises:
        BrowserFailed: If a page does not show what it should.
        DemoFailed: If an artifact is missing, or a page shows a secret or what a learner said.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    wanted, secrets = _shots(scene), _secrets(folder)
    with started(folder) as browser:
        for shot in wanted:
            found = photograph(browser, scene.prefect_api_url.removesuffix("/api"), shot)
            shown = str(browser.run("document.body.innerHTML"))
            if any(secret in shown for secret in secrets):
                reason = f"the page {shot.path} shows a secret or what a learner said"
                raise DemoFailed(reason, scene.log)
            (pictures / f"{shot.name}.png").write_bytes(found)
    return len(wanted)


def photograph(browser: Browser, url: str, shot: Shot) -> bytes:
    """Take one picture of a whole page, however tall."""
    browser.resize(WIDTH, HEIGHT, dark=shot.dark)
    browser.open(f"{url}{shot.path}")
    if shot.asks:
        browser.click(_MENU)
        browser.wait_still()  # it opens by and by
        browser.click(_RESUME)
    browser.wait_until(f"document.body?.innerText.includes({shot.shows!r})")
    browser.wait_still()
    if not shot.asks:  # the form of a waiting run opens in front of the page, which may stay
        _unfold(browser, dark=shot.dark)
    return browser.photograph()


def _unfold(browser: Browser, *, dark: bool) -> None:
    """Make the window as tall as the page; a taller one may show more, so look again."""
    height = HEIGHT
    for _ in range(_ROUNDS):
        hidden = int(browser.run(_HIDDEN))
        if not hidden:
            return
        height = min(height + hidden, _TALLEST)
        browser.resize(WIDTH, height, dark=dark)
        browser.wait_still()


def _shots(scene: Scene) -> Sequence[Shot]:
    begun = FlowRunFilterStateType(not_any_=[StateType.SCHEDULED])
    with client_of(scene.prefect_api_url) as client:
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
    """Return what no page may show: keys, signatures, and what learners said."""
    known = addresses.load(folder)
    said = {turn.text.replace(" | ", " ") for part in PARTS for turn in part.turns}
    keys = set()
    if known is not None:
        password = urlsplit(known.database_url.get_secret_value()).password
        keys = {password or "", known.s3.secret_access_key.get_secret_value()} - {""}
    return said | keys | {"X-Amz-"}
