"""Parts of the study of the attention phase transition; see analyses.attention_phase_transition."""
