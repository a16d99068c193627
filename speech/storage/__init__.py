"""Files, tables and sealed folders: whole or absent.

Used from outside: `arrays`, `examples`, `files`, `predictions`, `progress`, `results`, `sealed`,
`tables`.
"""
