"""The page in a browser: it loads, sorts, opens, prints, and fits a phone."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.print_page_options import PrintOptions
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.accessible import violations, violations_here


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


def test_prints_a_summary_and_everything_where_asked(page: Chrome) -> None:
    summary = pages_of(page)
    page.find_element(By.ID, "print-all").click()
    # Of the whole, each model begins a page.
    assert summary <= 4 < 7 <= pages_of(page)
    page.find_element(By.ID, "print-all").click()
    assert pages_of(page) == summary
    assert len(page.find_elements(By.CSS_SELECTOR, "details.model[open]")) == 1


def test_everything_is_open_on_paper(page: Chrome) -> None:
    """For browsers in which style alone opens nothing."""
    closed = "details:not([open])"
    before = len(page.find_elements(By.CSS_SELECTOR, closed))
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.find_elements(By.CSS_SELECTOR, closed) == []
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(page.find_elements(By.CSS_SELECTOR, closed)) == before > 6


def pages_of(page: Chrome) -> int:
    """How many sheets of A4 the page prints as."""
    paper = PrintOptions()
    paper.set_page_size(PrintOptions.A4)
    pdf = base64.b64decode(page.print_page(paper))
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def shown_rows(page: Chrome) -> list[str]:
    rows = page.find_elements(By.CSS_SELECTOR, "table.overview tbody tr:not([hidden]) > th")
    return [row.text for row in rows]


def ask(page: Chrome, name: str, value: str) -> list[str]:
    """Fill one field of the filter, alone."""
    page.find_element(By.CSS_SELECTOR, "#filter button[type=reset]").click()
    WebDriverWait(page, 5).until(lambda _: len(shown_rows(page)) == 6)
    page.find_element(By.CSS_SELECTOR, f"#filter [name='{name}']").send_keys(value)
    return shown_rows(page)


def test_finds_models(page: Chrome) -> None:
    assert ask(page, "words", "MODEL lin") == ["model10"]
    assert page.find_element(By.ID, "found").text == "1 of 6 models"
    closed = page.find_elements(By.CSS_SELECTOR, "details.model[hidden]")
    assert len(closed) == 5
    assert ask(page, "kind", "inventory-based") == ["beta", "y"]
    assert ask(page, "tag", "odd") == ["beta", "x"]
    assert page.find_element(By.CSS_SELECTOR, ".own").is_displayed()
    assert ask(page, "tag", "even") == ["x"]
    assert not page.find_element(By.CSS_SELECTOR, ".own").is_displayed()
    assert ask(page, "share-from", "99.5") == [
        "zeta-with-a-rather-long-name-that-has-to-wrap", "model10", "x",
    ]  # fmt: skip
    assert ask(page, "sure-to", "52") == [
        "zeta-with-a-rather-long-name-that-has-to-wrap", "beta",
    ]  # fmt: skip
    assert ask(page, "sure-from", "60") == ["y"]


def test_sets_two_models_side_by_side(page: Chrome) -> None:
    Select(page.find_element(By.ID, "compare-one")).select_by_visible_text("beta")
    assert page.find_element(By.ID, "compared").text == ""
    Select(page.find_element(By.ID, "compare-two")).select_by_visible_text("model9")
    first, second = page.find_elements(By.CSS_SELECTOR, "#compared table")
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        for row in first.find_elements(By.TAG_NAME, "tr")
    ]
    assert rows[0] == ["What", "beta", "model9"]
    assert ["Mechanism", "inventory-based", "unsolved"] in rows[1:6]
    # Words, then numbers by how far they are apart, then what one of them does not have.
    places = {row[0]: i for i, row in enumerate(rows)}
    assert places["Mechanism"] < places["p"] < places["Confidence"] < places["Counters"]
    assert "evidence: kappa" not in places
    alike = second.get_attribute("textContent") or ""
    assert "evidence: kappa0.9100.910" in alike
    page.find_element(By.XPATH, "//summary[starts-with(., 'Figures (2)')]").click()
    assert len(page.find_elements(By.CSS_SELECTOR, "#compared .pair img")) == 4


def test_saves_tables_and_figures(page: Chrome, tmp_path: Path) -> None:
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    page.find_element(By.CSS_SELECTOR, "#own-1 .save").click()
    table = saved(page, tmp_path / "Extra.csv").decode("utf-8-sig")
    assert table == 'a,b\r\n"x, ""y""",1\r\n'
    page.find_element(By.ID, "expand-all").click()
    image = page.find_element(By.CSS_SELECTOR, "#model-beta .picture img")
    page.find_element(By.CSS_SELECTOR, "#model-beta .picture + .save").click()
    figure = saved(page, tmp_path / "test-heat-of-beta.png")
    assert figure.startswith(b"\x89PNG")
    width = int.from_bytes(figure[16:20])
    assert abs(width - 2 * int(image.get_attribute("width") or 0)) <= 1


def saved(page: Chrome, path: Path) -> bytes:
    WebDriverWait(page, 10).until(lambda _: path.is_file() and path.stat().st_size)
    return path.read_bytes()


def test_reads_without_scripts(page: Chrome, report_of_six: Path) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get("about:blank")
        page.get(report_of_six.as_uri())
        assert len(shown_rows(page)) == 6
        assert len(page.find_elements(By.CSS_SELECTOR, "details.model[open]")) == 1
        assert not any(
            e.is_displayed() for e in page.find_elements(By.CSS_SELECTOR, ".needs-script")
        )
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_is_accessible(page: Chrome, report_of_six: Path) -> None:
    assert violations(page, report_of_six) == []


def test_the_comparison_of_two_models_is_accessible(page: Chrome) -> None:
    for part, name in (("one", "beta"), ("two", "model9")):
        Select(page.find_element(By.ID, f"compare-{part}")).select_by_visible_text(name)
    assert violations_here(page) == []
