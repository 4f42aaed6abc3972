"""Manual degradation: people decide what happens to traffic, with the approval of others, for a limited time.

``actions`` and ``approval`` decide and do no I/O; ``requests`` is the one writer of the requests' state.
"""
