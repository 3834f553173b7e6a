"""Shards: tar files with many pictures each, on this machine or in object stores, in the format that WebDataset has.

Here live their names, their indexes, the local copies of those from afar, the order of samples, the training data that
are read from them, and packing. What one picture file holds is in ``pictures``. Nothing of a tar is ever extracted to a
path.
"""
