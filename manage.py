#!/usr/bin/env python
"""Django's command line, for Goutong."""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import OperationalError, connection

from channels.acting import ENGINE, Actor, acting

_ENGINES = ("lifeboat",)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    name = sys.argv[1] if len(sys.argv) > 1 else "help"
    # What runs for good is the engine; what somebody calls has its name in the audit.
    with acting(ENGINE if name in _ENGINES else Actor(name=f"command:{name}")):
        try:
            execute_from_command_line(sys.argv)
        except OperationalError as error:
            if connection.connection is not None:
                raise
            # Most often the stack is not running, or another DATA_DIR was meant: one line says so.
            reason = str(error).partition("\n")[0]
            sys.exit(f"goutong: no database: {reason} (make run starts one; DATA_DIR is {settings.DATA_DIR})")


if __name__ == "__main__":
    main()
