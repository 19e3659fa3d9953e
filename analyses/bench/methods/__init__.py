"""Which methods find a known mechanism: a population with truth, labellers, and their scores."""
