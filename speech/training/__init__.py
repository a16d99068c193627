"""Cross-validation, tuning, model selection, and experiments that refit a model."""
