"""Mechanism labels: rules, bootstrap, calibration, one labeller a task."""

from probes.mechanism.label import label, label_in, rule_version

__all__ = ["label", "label_in", "rule_version"]
