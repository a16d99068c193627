"""Audio in: decoding, streams, chunks, acoustic conditions."""
