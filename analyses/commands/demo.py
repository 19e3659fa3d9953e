"""`mechprobe demo`: the study of that name, by a shorter way."""

from mechprobe.analyses.studies.demo import demo

__all__ = ["demo"]
