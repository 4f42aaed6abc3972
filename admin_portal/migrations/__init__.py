"""What this room changes in the database."""
