"""The provider sandbox: providers that behave as they are told, for the demo, drills, bench and tests."""
