"""The counting phase diagram: bounds and published numbers put beside a sweep's table."""
