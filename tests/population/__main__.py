"""`python -m tests.population SLUG USERNAME`: fill a project of the running system that the environment names."""

from __future__ import annotations

import argparse
import os
import sys

import django


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.population", description=__doc__)
    parser.add_argument("slug")
    parser.add_argument("username")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    django.setup()
    from tests.population.rich import populate
    from webapp.accounts.models import Account

    populate(slug=options.slug, account=Account.objects.get(username=options.username))
    return 0


if __name__ == "__main__":
    sys.exit(main())
