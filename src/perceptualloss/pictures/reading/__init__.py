"""What each kind of picture file holds, one kind a file: samples, opacity, what its colours mean, which way is up.

``pictures/decode`` picks the kind by the content and makes sRGB of it. Nothing here writes.
"""
