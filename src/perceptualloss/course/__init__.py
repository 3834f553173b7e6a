"""The course: its chapters, what a learner writes in each, and checks that name the mistake.

``chapters`` is the list of chapters; ``solutions/`` has one right answer a chapter, from which the skeleton that a
learner starts from is cut. ``answer`` opens a learner's file and turns what goes wrong in it into one line.
``checks/`` has a file for each kind of exercise; they look at what an answer does (``trace`` records it), never at its
text. ``stand_in`` is a VGG-16 without a download. ``texts`` says all of it in English and German. Nothing here prints:
that is ``cli/course``.
"""
