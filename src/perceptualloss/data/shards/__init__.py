"""Shards: tar files with many pictures each, on this machine or in an object store, in WebDataset's format.

Here live their names, their indexes, local copies of shards from afar, the order of samples, training data out of
shards, and packing. What one picture file holds is in ``pictures``. No file of a tar is ever extracted to a path.
"""
