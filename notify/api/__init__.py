"""The HTTP API: what applications may ask for, and the answers they get."""
