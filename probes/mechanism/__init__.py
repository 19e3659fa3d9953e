"""Mechanism labels: rule, bootstrap, calibration."""

from probes.mechanism.label import label, label_in

__all__ = ["label", "label_in"]
