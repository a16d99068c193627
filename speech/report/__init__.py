"""The page of a run: read from what the stages left, nothing is computed anew.

Used from outside: `frame`, `page`, `run`.
"""
