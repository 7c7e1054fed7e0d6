"""The page of failures: what went wrong, item by item, with crops, whole images and filters."""
