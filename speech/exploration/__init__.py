"""Features without models: analysis of MFCC, outliers, clusters.

Used from outside: `clusters`, `mfcc_analysis`, `outliers`.
"""
