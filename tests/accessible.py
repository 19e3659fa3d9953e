"""Accessibility of pages, as axe-core sees it: on a desk in the light, on a phone in the dark."""

from importlib.resources import files
from pathlib import Path

from selenium.webdriver import Chrome

# What depends on the width does not depend on the colours, so that two of the four are enough.
VIEWS = ((1400, "light"), (390, "dark"))
PATIENCE = 120  # seconds for a page on a busy machine
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.map(({ id, nodes }) => [id, nodes.length, nodes[0].html])),
  (error) => done([["axe failed", 1, String(error)]]),
);
"""


def violations(browser: Chrome, page: Path) -> list[str]:
    """What axe-core finds wrong with a page, a line each.

    Args:
        browser: any that is open.
        page: an HTML file.
    """
    browser.get("about:blank")
    browser.get(page.resolve().as_uri())
    return violations_here(browser)


def violations_here(browser: Chrome) -> list[str]:
    """The same of the page that is open, with everything unfolded."""
    found = []
    browser.set_script_timeout(PATIENCE)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    browser.execute_script(_axe())
    for width, scheme in VIEWS:
        _show(browser, width, scheme)
        for rule, nodes, first in browser.execute_async_script(RUN):
            found.append(f"{width} px, {scheme}: {rule} ({nodes}): {first[:200]}")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    return found


def _show(browser: Chrome, width: int, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _axe() -> str:
    """The script of axe-core, as the package selenium-axe-python brings it."""
    script = files("selenium_axe_python") / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")
