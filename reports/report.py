"""The report of a run, made from Python: options, tags and sections of one's own."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import write_text
from mechprobe.models.base.registry import nearest
from mechprobe.probes.runs import load_run
from mechprobe.reports import own
from mechprobe.reports.choice import chosen
from mechprobe.reports.page import render

REPORT_FILE = "report.html"


class Report:
    """The page of a run, with sections of one's own; written by `save`.

    >>> report = Report("runs/mine", models=["bos*"], compact=True)  # doctest: +SKIP
    >>> report.add_figure(figure, "Loss", tags=["training"])  # doctest: +SKIP
    >>> report.save()  # doctest: +SKIP

    Args:
        run: folder of a finished run.
        models, probes: which are shown, by names or shell patterns such as "bos*"; empty for all.
        compact: about 50 kB a counting model: fewer and smaller figures, and numbers whose
            meaning stands once on the page.

    Raises:
        MechprobeError: no run there, no results in it, or a name of nothing in it.
    """

    def __init__(
        self,
        run: str | Path,
        *,
        models: Iterable[str] = (),
        probes: Iterable[str] = (),
        compact: bool = False,
    ) -> None:
        self.folder = Path(run)
        self.compact = compact
        self.info, results = load_run(self.folder)
        self.results = chosen(results, models, probes)
        self._own: list[own.Own] = []
        self._tags: dict[str, list[str]] = {}

    def add_figure(
        self, figure: Figure, title: str, *, says: str = "", alt: str = "", tags: Iterable[str] = ()
    ) -> None:
        """Add a section with a figure, which is empty afterwards.

        Args:
            figure: of matplotlib.
            title: heading.
            says: paragraphs, an empty line between them.
            alt: the figure in words, for those who do not see it; the title where left out.
            tags: words to find the section by.

        Raises:
            MechprobeError: it cannot be drawn.
        """
        self._own.append(own.with_figure(self._anchor(), title, figure, says, alt, list(tags)))

    def add_table(
        self, rows: own.Rows, title: str, *, says: str = "", tags: Iterable[str] = ()
    ) -> None:
        """Add a section with a table.

        Args:
            rows: a DataFrame (its index is left out), or a dictionary a row.
            title, says, tags: as in `add_figure`.

        Raises:
            MechprobeError: it has no columns.
        """
        self._own.append(own.with_table(self._anchor(), title, rows, says, list(tags)))

    def add_html(self, html: str, title: str, *, tags: Iterable[str] = ()) -> None:
        """Add a section of HTML that you trust: it is put into the page as it is.

        The page's policy lets no script or style in it act, and nothing be loaded from elsewhere.

        Args:
            html: what stands below the heading.
            title, tags: as in `add_figure`.
        """
        self._own.append(own.with_html(self._anchor(), title, html, list(tags)))

    def tag(self, model: str, *tags: str) -> None:
        """Give a model tags to find it by.

        Raises:
            MechprobeError: the report shows no such model.
        """
        names = [result.name for result in self.results]
        if model not in names:
            raise MechprobeError(f"report: no model {model!r} in it; {nearest(model, names)}")
        self._tags.setdefault(model, []).extend(tags)

    def html(self) -> str:
        """The page."""
        return render(self.info, self.results, compact=self.compact, own=self._own, tags=self._tags)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the page, whole or not at all.

        Args:
            path: report.html in the run's folder where left out.

        Raises:
            MechprobeError: it cannot be written.
        """
        target = self.folder / REPORT_FILE if path is None else Path(path)
        write_text(target, self.html())
        return target

    def _anchor(self) -> str:
        return f"own-{len(self._own) + 1}"


def write_report(
    run: str | Path,
    *,
    models: Iterable[str] = (),
    probes: Iterable[str] = (),
    compact: bool = False,
) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Args:
        run: folder of a finished run.
        models, probes, compact: as in `Report`.

    Returns:
        Path of the report.

    Raises:
        MechprobeError: no run there, no results in it, a name of nothing in it, or the folder
            cannot be written.
    """
    return Report(run, models=models, probes=probes, compact=compact).save()
