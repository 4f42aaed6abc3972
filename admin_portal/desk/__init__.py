"""The desk: what waits for a person's decision, one by one or by the hundred thousand."""
