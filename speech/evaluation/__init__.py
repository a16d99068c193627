"""Scores of predictions: intervals, calibration, ROC, label audit, verification."""
