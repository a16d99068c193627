"""One standalone script per stage of dvc.yaml."""
