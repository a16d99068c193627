"""Scores of predictions: intervals, calibration, ROC, label audit, verification.

Used from outside: `by_training_speakers`, `calibration`, `headline`, `label_audit`, `roc`,
`scores`, `systems`, `verification`.
"""
