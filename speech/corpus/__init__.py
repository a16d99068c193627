"""Where recordings come from and what is known about each of them.

Used from outside: `gender_overrides`, `index`, `layouts`, `librispeech`, `sample`, `spreadsheet`.
"""
