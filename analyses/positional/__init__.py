"""Both solutions of the counting transformer with positions: budgets, training, reading."""
