"""The two looks at which every page is judged, and what is judged: axe, sideways scroll, a picture to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.whole_system import WholeSystem

SCREENS = Path(__file__).parents[2] / "reports" / "screens"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
GRAVE = ("serious", "critical")

# A violation is an event of the document; an init script is not the page's own and is not refused by its policy.
WATCH_POLICY = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI || "inline"} (${event.sample})`);
});
"""
# What a test provokes on purpose (a refused form, a page that is not there) is told by the browser as an error too, and by htmx a
# request that a newer one of the same form takes the place of (`afterRequest` goes beside the name of every error).
PROVOKED = ("Failed to load resource", "htmx:sendAbort", "htmx:afterRequest")


@dataclass(frozen=True)
class Look:
    """A width, a height and a colour scheme; motion is reduced in both, so that pictures are of something that rests."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]


LIGHT = Look("light-1280", 1280, 900, "light")
DARK = Look("dark-390", 390, 844, "dark")
LOOKS = (LIGHT, DARK)


def open_context(browser: Browser, system: WholeSystem, look: Look, cookies: list[Any]) -> BrowserContext:
    """A browser session with this look, signed in by `cookies`; relative addresses are the running system's."""
    context = browser.new_context(
        base_url=system.base_url,
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        reduced_motion="reduce",
    )
    context.set_default_timeout(30_000)
    context.add_cookies(cookies)
    context.add_init_script(WATCH_POLICY)
    return context


def watch(page: Page) -> list[str]:
    """A list that fills with what goes wrong on `page`: errors of scripts, refusals by the content policy."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            errors.append(f"{page.url}: {message.text}")
            if message.type == "error" and not message.text.startswith(PROVOKED)
            else None
        ),
    )
    return errors


def draw(page: Page, name: str, look: Look) -> Path:
    """The whole page as `reports/screens/<name>-<look>.png`, which CI keeps."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    path = SCREENS / f"{name}-{look.name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def faults(page: Page) -> list[str]:
    """What is wrong with the page as it stands: serious and critical violations that axe finds, and scrolling sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found = [f"{page.url} scrolls sideways by {wide} px"] if wide > 0 else []
    # evaluated by the debugger: the page's policy would refuse a script element
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE})
    session.detach()
    violations = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations)")
    for violation in violations:
        if violation["impact"] in GRAVE:
            places = " | ".join(" ".join(map(str, node["target"])) for node in violation["nodes"][:5])
            found.append(f"{page.url} {violation['id']} ({violation['help']}): {places}")
    return found
