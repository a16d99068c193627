"""The trained models on a user's recordings."""
