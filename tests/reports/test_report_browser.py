"""The page in a browser: it loads, sorts, opens, prints, and fits a phone."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


@pytest.fixture
def page(browser: Chrome, report_of_six: Path) -> Iterator[Chrome]:
    """A report of six models, freshly open in the browser."""
    browser.get("about:blank")  # else a second visit would be a mere jump within the page
    browser.get(report_of_six.as_uri())
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def column(page: Chrome, index: int) -> list[str]:
    cells = page.find_elements(By.CSS_SELECTOR, f"table.overview tbody tr > :nth-child({index})")
    return [cell.text for cell in cells]


def header(page: Chrome, index: int) -> tuple[str | None, list[str]]:
    page.find_element(By.CSS_SELECTOR, f"table.overview th:nth-child({index}) button").click()
    head = page.find_element(By.CSS_SELECTOR, f"table.overview thead th:nth-child({index})")
    return head.get_attribute("aria-sort"), column(page, index)


def test_loads_without_a_fault(page: Chrome) -> None:
    images = page.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt])"
    )
    assert len(images) == 12
    assert all(complete and width > 0 and alt for complete, width, alt in images)
    page.find_element(By.ID, "expand-all").click()
    assert [e for e in page.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []


def test_sorts_numbers_and_words(page: Chrome) -> None:
    assert header(page, 10) == ("ascending", ["4", "4", "16", "32", "32", "128"])
    assert header(page, 10) == ("descending", ["128", "32", "32", "16", "4", "4"])
    order, names = header(page, 1)
    assert order == "ascending"
    assert names[:3] == ["beta", "model9", "model10"]
    assert len(page.find_elements(By.CSS_SELECTOR, "th[aria-sort]")) == 1
    # Missing values stay at the end either way.
    assert header(page, 5)[1][-1] == "–"
    assert header(page, 5)[1][-1] == "–"


def test_sorts_by_keyboard(page: Chrome) -> None:
    button = page.find_element(By.CSS_SELECTOR, "table.overview th:nth-child(6) button")
    button.send_keys(Keys.ENTER)
    assert column(page, 6)[0] == "9.0 %"
    button.send_keys(Keys.SPACE)
    assert column(page, 6)[0] == "100 %"


def test_links_open_sections(page: Chrome) -> None:
    section = page.find_element(By.ID, "model-model9")
    assert section.get_attribute("open") is None
    page.find_element(By.LINK_TEXT, "model9").click()
    assert section.get_attribute("open") is not None
    assert page.current_url.endswith("#model-model9")
    page.execute_script("location.hash = '#model-beta'")
    beta = page.find_element(By.ID, "model-beta")
    WebDriverWait(page, 5).until(lambda _: beta.get_attribute("open") is not None)
    page.find_element(By.ID, "collapse-all").click()
    assert page.find_elements(By.CSS_SELECTOR, "details.model[open]") == []
    page.find_element(By.ID, "expand-all").click()
    assert len(page.find_elements(By.CSS_SELECTOR, "details.model[open]")) == 6


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_fits_the_width(page: Chrome, width: int) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    fits = "return [document.documentElement.scrollWidth, innerWidth]"
    needed, given = page.execute_script(fits)
    assert given == width
    assert needed <= given


def test_evidence_fits_a_phone(page: Chrome) -> None:
    """Every column of the tables of numbers, the meaning too, is within the screen."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    sizes = page.execute_script(
        "return [...document.querySelectorAll('.scroll:has(> .metrics)')]"
        ".map(e => [e.scrollWidth, e.clientWidth, e.tabIndex])"
    )
    assert sizes
    assert all(needed <= given and tab == 0 for needed, given, tab in sizes)


def test_prints_everything_and_folds_back(page: Chrome) -> None:
    opened = page.execute_script(
        "dispatchEvent(new Event('beforeprint'));"
        "const n = document.querySelectorAll('details:not([open])').length;"
        "dispatchEvent(new Event('afterprint'));"
        "return [n, document.querySelectorAll('details.model[open]').length]"
    )
    assert opened == [0, 1]
    pdf = base64.b64decode(page.print_page())
    assert pdf.startswith(b"%PDF")
