"""Files, tables and sealed folders: whole or absent.

Used from outside: `arrays`, `examples`, `files`, `progress`, `results`, `sealed`, `tables`.
"""
