"""Files, tables and sealed folders: whole or absent."""
