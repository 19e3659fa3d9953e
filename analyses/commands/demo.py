"""`mechprobe demo`: the study of that name, by a shorter way."""

from mechprobe.analyses.studies import STUDIES

demo = STUDIES["demo"]
