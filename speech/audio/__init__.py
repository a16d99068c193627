"""Audio in: decoding, streams, chunks, acoustic conditions."""

SAMPLE_RATE = 16_000
"""Hz; wav2vec 2.0 and LibriSpeech are both defined at this rate, so it is no parameter."""
