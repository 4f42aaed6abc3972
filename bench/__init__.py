"""What Goutong can do, beside what a team would write instead: ``make bench``.

Nothing of the product imports this room; it may import everything.
"""
