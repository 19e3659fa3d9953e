"""What every part of the package stands on: errors, files, safe reading, registries, workers."""
