"""Reference implementations of the detectors that the SSH paper compares with.

Each is a detector of the suite, with an importer for its authors' files; no weights travel with the package, and none
are downloaded. `--weights random` gives any of them random weights for timing (`random_weights`). Only the modules
named `*_network` need torch (`pip install sshbench[ssh]`), and nothing here is imported before a rival is asked for.
"""
