"""Six classifiers under one protocol.

Used from outside: `calibrated`, `protocol`, `registry`.
"""
