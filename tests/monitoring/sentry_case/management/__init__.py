"""Commands of the failing application."""
