"""One offline HTML file out of a run folder.

Reads result schemas and the registered probes' figures; knows nothing of models.
"""

from mechprobe.reports.page import render, write_report

__all__ = ["render", "write_report"]
