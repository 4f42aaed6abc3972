"""Flower's settings. Flower shows and steers every worker: without a password it does not start."""

import os
import sys

if not os.environ.get("FLOWER_BASIC_AUTH"):
    sys.exit("goutong: setting FLOWER_BASIC_AUTH: is required (user:password)")

basic_auth = os.environ["FLOWER_BASIC_AUTH"].split(",")
max_tasks = 5000
purge_offline_workers = 60
