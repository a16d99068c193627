"""Recordings that get no answer: sounds that are not speech, and speakers that are not enrolled.

Used from outside: `model_file`, `open_set`, `speech_detector`, `speech_trials`.
"""
