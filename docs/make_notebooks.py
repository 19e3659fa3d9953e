"""Run the notebooks' scripts and keep them as they were run: `make notebooks`.

The scripts (percent format of jupytext) are the source. What a run says on standard error, such as
progress bars, is not kept, nor is anything that differs from run to run.
"""

import sys
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient

FOLDER = Path(__file__).parent / "notebooks"


def executed(script: Path) -> Any:
    """The notebook of a script, run in its folder's kernel."""
    book = jupytext.read(script, fmt="py:percent")
    NotebookClient(book, timeout=600, kernel_name="python3").execute()
    for cell in book.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    return book


if __name__ == "__main__":
    chosen = [FOLDER / f"{name}.py" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.py"))
    for script in chosen:
        jupytext.write(executed(script), script.with_suffix(".ipynb"), fmt="ipynb")
