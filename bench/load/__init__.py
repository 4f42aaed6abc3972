"""Load, from processes of its own."""
