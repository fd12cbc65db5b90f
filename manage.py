#!/usr/bin/env python
"""Freshet's command line: `python manage.py help` lists every command."""

import os
import sys

from django.core.management import execute_from_command_line

from deploy.launcher.adopting import adopt_running_system

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    adopt_running_system(os.environ)
    execute_from_command_line(sys.argv)
