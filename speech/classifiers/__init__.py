"""Six classifiers under one protocol."""
