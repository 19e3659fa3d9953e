"""The page of positional and semantic counting: reads its schema, knows nothing of models."""
