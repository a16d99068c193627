"""What is no answer to a question: sounds that are no speech, and voices that nobody knows."""
