"""The live board: what is wrong, what is being done about it, and what waits for whom."""
