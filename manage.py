#!/usr/bin/env python
"""Django's command line, for Goutong."""

import os
import sys

from django.core.management import execute_from_command_line

from channels.acting import ENGINE, Actor, acting

_ENGINES = ("lifeboat",)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    name = sys.argv[1] if len(sys.argv) > 1 else "help"
    # What runs for good is the engine; what somebody calls has its name in the audit.
    with acting(ENGINE if name in _ENGINES else Actor(name=f"command:{name}")):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
