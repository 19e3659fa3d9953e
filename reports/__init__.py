"""One offline HTML file out of a run folder, and its figures for papers.

Reads result schemas and the registered probes' figures; knows nothing of models.
"""

from typing import TYPE_CHECKING

from mechprobe.models.base.lazy import lazy

if TYPE_CHECKING:
    from mechprobe.reports.exported import write_figures as write_figures
    from mechprobe.reports.page import render as render
    from mechprobe.reports.report import Report as Report
    from mechprobe.reports.report import write_report as write_report
else:
    __getattr__, __dir__, __all__ = lazy(__name__)
