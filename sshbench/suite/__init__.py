"""Many detectors on many datasets from one file, and how figures changed from one archive to the next."""
