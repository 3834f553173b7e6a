"""One right answer a chapter, in a file of its own.

The documents fold these files in, the checks pass them, and skeletons are cut from them, so there is one text of each.
They import nothing but libraries and the package's public names, as a learner's file does.
"""
