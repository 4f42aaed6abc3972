"""(c) A bare view of Django REST Framework: validates a message, inserts one row, answers with its id. No keys, no
quotas, no templates, no doorbell, no middleware."""
