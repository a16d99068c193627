"""The trained models on anyone's recordings: found, streamed, measured, answered, told."""
