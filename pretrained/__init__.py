"""The gender model that comes with the project, and the script that fits it."""
