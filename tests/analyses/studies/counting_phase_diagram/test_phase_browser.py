"""The phase diagram in a browser: keys and clicks, a cell's models, phones, hostile strings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from mechprobe.analyses.studies.counting_phase_diagram.contents import (
    Bound,
    PhaseDiagram,
    Published,
)
from mechprobe.analyses.studies.counting_phase_diagram.page import render, render_comparison
from tests.accessible import violations, violations_here
from tests.analyses.studies.counting_phase_diagram.phase_rows import PAPER, make_rows

HOSTILE = "</script><b>x</b><img src=x onerror=alert(1)>\u2028"
LIMIT = 20_000_000


def make_study(rows: list[dict[str, Any]]) -> PhaseDiagram:
    return PhaseDiagram(
        title="A made-up diagram",
        command="make it",
        versions={"mechprobe": "0"},
        T=32,
        L=10,
        rows=rows,
        bounds=[Bound(architecture="bos", d=12, p=32, formula="f", says="room")],
        published=[Published(architecture="bos", d=32, p=4, accuracy=0.9)],
        published_source="From a paper.",
        left_out="",
    )


@pytest.fixture(scope="module")
def small_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two architectures of six cells, one of them with hostile strings, and the comparison."""
    rows = make_rows((4, 32, 64), (4, 32), architectures=("bos", "lin"))
    for row in rows:
        if (row["architecture"], row["d"], row["p"]) == ("lin", 4, 4):
            row |= {
                "model": HOSTILE, "reasons": [HOSTILE], "problem": HOSTILE, "attention": HOSTILE,
                "mechanism": HOSTILE, "tokens": [HOSTILE] * 32, "rule": HOSTILE,
                f"evidence_{HOSTILE}": 1.5, f"{HOSTILE}.x": 2.5,
            }  # fmt: skip
        if row["architecture"] == "bos" and row["seed"] == 1:
            row |= {"kappa": [None, *row["kappa"][1:]], "diverged_at": 17}
    folder = tmp_path_factory.mktemp("phase")
    (folder / "phase.html").write_text(render(make_study(rows)), encoding="utf-8")
    comparison = render_comparison(make_study(rows))
    (folder / "comparison.html").write_text(comparison, encoding="utf-8")
    return folder / "phase.html"


@pytest.fixture
def page(browser: Chrome, small_page: Path) -> Iterator[Chrome]:
    """The small page, freshly open."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(small_page.as_uri())
    yield browser
    faults = [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert faults == []


def cell(page: Chrome, map_id: str, says: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, f'#{map_id} .cell[aria-label^="{says}"]')


def shown(page: Chrome) -> str:
    dialog = page.find_element(By.ID, "models")
    return dialog.text if dialog.get_attribute("open") is not None else ""


def focused(page: Chrome) -> str:
    found: str = page.execute_script("return document.activeElement.getAttribute('aria-label')")
    return found


def test_a_click_opens_a_cells_models(page: Chrome) -> None:
    assert shown(page) == ""
    cell(page, "a0-accuracy", "d = 32, p = 4:").click()
    text = shown(page)
    assert text.startswith("bos, d = 32, p = 4")
    rows = page.find_elements(By.CSS_SELECTOR, "#models tbody tr")
    assert len(rows) == 4
    assert [row.text.split()[2] for row in rows[:2]] == ["chosen", "chosen"]
    assert "Diverged at step" in text
    assert page.current_url.endswith("#cell=bos%2C32%2C4")
    page.find_element(By.ID, "models-close").click()
    assert shown(page) == ""
    assert "#" not in page.current_url


def test_keys_move_open_and_close(page: Chrome) -> None:
    first = cell(page, "a0-mechanism", "d = 64, p = 4:")
    page.execute_script("arguments[0].focus()", first)
    keys = ActionChains(page)
    keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    assert focused(page).startswith("d = 32, p = 32:")
    ActionChains(page).send_keys(Keys.HOME).perform()
    assert focused(page).startswith("d = 32, p = 4:")
    ActionChains(page).send_keys(Keys.ARROW_UP, Keys.END, Keys.ENTER).perform()
    assert shown(page).startswith("bos, d = 64, p = 32")
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert shown(page) == ""
    assert focused(page).startswith("d = 64, p = 32:")
    stops = page.find_elements(By.CSS_SELECTOR, '.map .cell[tabindex="0"]')
    assert len(stops) == 6


def test_figures_and_numbers_are_made_on_demand(page: Chrome) -> None:
    cell(page, "a0-counters", "d = 64, p = 32:").click()
    assert page.find_elements(By.CSS_SELECTOR, "#models .plot") == []
    for summary in page.find_elements(By.CSS_SELECTOR, "#models summary"):
        page.execute_script("arguments[0].click()", summary)
    page.implicitly_wait(2)
    plots = page.find_elements(By.CSS_SELECTOR, "#models .plot")
    page.implicitly_wait(0)
    assert len(plots) == 5
    assert len(plots[0].find_elements(By.CSS_SELECTOR, ".dot")) == 4
    assert len(plots[0].find_elements(By.CSS_SELECTOR, ".solid")) == 2
    assert len(plots[1].find_elements(By.CSS_SELECTOR, ".dot")) == 32
    assert len(page.find_elements(By.CSS_SELECTOR, "#models .f-silent")) == 2
    text = shown(page)
    assert "own_slope" in text
    assert "probe-6.metric_3" in text
    assert "of the accuracy above chance" in text


@pytest.mark.parametrize("width", [390, 1400])
def test_fits_the_width(page: Chrome, width: int) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    cell(page, "a0-accuracy", "d = 32, p = 4:").click()
    page.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    needed, given, inner, outer = page.execute_script(
        "const e = document.getElementById('models');"
        "return [document.documentElement.scrollWidth, innerWidth, e.scrollWidth, e.clientWidth]"
    )
    assert given == width
    assert needed <= given
    assert inner <= outer


def test_hostile_strings_are_harmless(page: Chrome) -> None:
    cell(page, "a1-accuracy", "d = 4, p = 4:").click()
    for summary in page.find_elements(By.CSS_SELECTOR, "#models summary"):
        page.execute_script("arguments[0].click()", summary)
    page.implicitly_wait(2)
    assert page.find_elements(By.CSS_SELECTOR, "#models .facts")
    page.implicitly_wait(0)
    assert "</script><b>x</b><img" in shown(page)
    assert page.find_elements(By.CSS_SELECTOR, "b, #models img") == []


def test_the_comparison_leads_to_its_cells(page: Chrome) -> None:
    page.find_element(By.LINK_TEXT, "Comparison with the published grid").click()
    assert page.current_url.endswith("comparison.html")
    page.find_element(By.CSS_SELECTOR, "#worst a").click()
    assert shown(page).startswith("bos, d = 32, p = 4")


def test_an_unknown_cell_opens_nothing(page: Chrome) -> None:
    page.execute_script("location.hash = '#cell=%E0%A4%A'")
    page.execute_script("location.hash = '#cell=dot,1,1'")
    assert shown(page) == ""


def test_the_full_grid_is_small_enough_and_answers(browser: Chrome, tmp_path: Path) -> None:
    """5,880 models at two learning rates, every column filled."""
    rows = make_rows(PAPER, PAPER, seeds=5)
    assert sum(row["chosen"] for row in rows) == 5880
    file = tmp_path / "phase.html"
    file.write_text(render(make_study(rows)), encoding="utf-8")
    assert file.stat().st_size < LIMIT
    browser.get("about:blank")
    browser.get(file.as_uri())
    cell(browser, "a5-mechanism", "d = 91, p = 23:").click()
    assert shown(browser).startswith("lin, d = 91, p = 23")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#models tbody tr")) == 10


@pytest.mark.parametrize("name", ["phase.html", "comparison.html"])
def test_the_pages_are_accessible(browser: Chrome, small_page: Path, name: str) -> None:
    assert violations(browser, small_page.with_name(name)) == []


def test_a_cells_models_are_accessible(page: Chrome) -> None:
    cell(page, "a0-mechanism", "d = 32, p = 4:").click()
    assert shown(page)
    assert violations_here(page) == []
