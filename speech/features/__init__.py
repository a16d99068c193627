"""What is measured on a recording, and how it is kept on disk.

Used from outside: `checkpoint`, `engines`, `examples`, `extraction`, `feature_spec`, `hub`,
`mfcc`, `normalise`, `pitch`, `settings`, `statistics`, `store`, `wav2vec2`.
"""
