"""Recordings that get no answer: sounds that are not speech, and speakers that are not enrolled."""
