"""The pages of the counting phase diagram. Read the table of a sweep; know nothing of models."""
