"""Cross-validation, tuning, model selection, and experiments that refit a model.

Used from outside: `cross_validation`, `layer_probe`, `learning_curve`, `model_selection`,
`split_audit`, `tuning`.
"""
