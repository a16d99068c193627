"""Five classifiers under one protocol."""
