"""The trained models on a user's recordings.

Used from outside: `command_line`, `external`, `passages`, `recogniser`.
"""
