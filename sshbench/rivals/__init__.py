"""Reference implementations of the detectors that the SSH paper compares with.

Each is a detector of the suite, with an importer for its authors' files; no weights travel with the package, and none
are downloaded. `--weights random` gives any of them random weights for timing, by
`sshbench.ssh.random_weights`. Torch (`pip install sshbench[ssh]`) is imported when a rival is loaded and
not before; nothing here is imported before a rival is asked for.
"""
