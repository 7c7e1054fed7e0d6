"""Detect faces in the images of a run: in this process, in several, or on a cluster; always resumable.

`loop` is the plain loop, `workers` supervises processes of this machine, `cluster` hands chunks to Dask. Only the
process that was started writes to the run.
"""
