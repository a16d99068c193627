"""Gender and speaker classification from speech: what the stages of the pipeline share."""
