"""Models that count so far: those whose attention is masked."""
