"""What a team would write instead: each an honest implementation, tuned as one would tune it.

(a) ``empty_task``, (b) ``task_per_message``, (c) ``bare_view``, (d) ``raw_copy``, (e) ``smtp_loop``.
"""
