"""Features without models: analysis of MFCC, outliers, clusters."""
