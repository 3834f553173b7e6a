"""Pictures from file to file: decoding, writing, 8 and 16 bits, colour, resizing, ranges, pairs of folders, video.

A picture is RGB, (N, 3, H, W), floating point in [0, 1]; ``Picture`` adds opacity, grey and bits where a file has them.
What knows of networks, losses or figures lives above; nothing here draws anything.
"""
