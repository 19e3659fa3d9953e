"""How often labels of trained models change when nothing that matters does."""
