"""Providers that cost as little as they can."""
