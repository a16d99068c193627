"""The page that tells what a run found: read from what the stages left, nothing computed anew."""
