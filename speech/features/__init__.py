"""What is measured on a recording, and how it is kept on disk."""
