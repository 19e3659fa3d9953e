"""The page of the attention phase transition. Reads its result schema; knows nothing of models."""
