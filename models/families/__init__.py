"""Model families, one folder each: shape, weights, forward pass, training, hooked parts."""
