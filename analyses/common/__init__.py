"""What studies and commands share: run folders, options, tables."""
