"""Plans: steps prepared while it was quiet, approved as one, and gone through one by one when it is not.

``steps``, ``conditions``, ``writing`` and ``progress`` decide and do no I/O; ``running`` is what makes a run go on.
"""
