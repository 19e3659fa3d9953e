"""Models of plain PyTorch by a mapping of names: which of their tensors is which of ours."""
