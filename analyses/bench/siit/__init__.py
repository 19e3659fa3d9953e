"""A population of trained models whose mechanism is known, because they were trained towards it."""
