"""Models made elsewhere, read through the foreign path and natively."""
