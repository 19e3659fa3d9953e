"""Studies, one folder each: the work and its page."""
