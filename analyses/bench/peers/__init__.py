"""Training by others' means, for the benchmark of training to measure against."""
