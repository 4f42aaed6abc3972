"""An application that exists only in tests: a page, a task and a command that fail with somebody's data in hand."""
