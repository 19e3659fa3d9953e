"""Which methods find a known mechanism: a population with truth, labellers, and their scores."""

from mechprobe.analyses.bench.methods.answers import Answer
from mechprobe.analyses.bench.methods.registry import ask, method

__all__ = ["Answer", "ask", "method"]
