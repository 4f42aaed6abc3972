"""How channels heal themselves: which provider may carry how much, and what a channel does when none of them is well.

``policy`` decides, from plain figures to plain standings with their reasons: no I/O in it, nor in what it imports.
"""
