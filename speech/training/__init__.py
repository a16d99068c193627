"""Cross-validation, tuning, model selection, and what is asked of fits."""
