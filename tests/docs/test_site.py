"""The documentation site reaches every page, and says how to cite what is here."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FILES = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]


def entries() -> set[str]:
    """What the trees of contents name, patterns too."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
    return {
        line.strip()
        for block in blocks
        for line in block.splitlines()
        if line.strip() and not line.startswith(":")
    }


def test_every_page_is_in_a_tree_of_contents() -> None:
    pages = {file.relative_to(DOCS).with_suffix("").as_posix() for file in FILES}
    lost = {p for p in pages - {"index"} if not any(fnmatch(p, entry) for entry in entries())}
    assert not lost
    for entry in entries():
        assert any(fnmatch(page, entry) for page in pages), entry


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in (f"version: {project['version']}", f"license: {project['license']}"):
        assert f"\n{line}\n" in text
    for field in ("cff-version: 1.2.0", "message: ", "title: ", "authors:"):
        assert re.search(rf"^{re.escape(field)}", text, re.MULTILINE), field
    bibtex = (DOCS / "citing.md").read_text(encoding="utf-8")
    assert f"version = {{{project['version']}}}" in bibtex
    papers = set(re.findall(r"arXiv:\d{4}\.\d{5}", text))
    assert papers == {"arXiv:2407.11542", "arXiv:2402.03902"}
    assert all(paper in bibtex for paper in papers)
