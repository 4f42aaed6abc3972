"""What we claim about speed, measured side by side with what a team would write instead. ``make bench``."""
