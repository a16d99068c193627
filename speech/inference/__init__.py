"""The trained models on a user's recordings.

Used from outside: `answers`, `command_line`, `external`, `passages`, `recogniser`.
"""
