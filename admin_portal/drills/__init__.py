"""Drills: something goes wrong on purpose, on a stage that only messages of test keys reach, and what the platform
does about it is measured against what was expected.

Pure: ``terms``, ``hypothesis``, ``progress``, ``timings``, ``verdict``, ``plot``. The verbs of people are in
``editing`` and ``controls``; ``running`` drives what is under way, once a second.
"""
