"""Puts the tasks that pins.toml takes from a wheel into vendor/cache/tasks/, checked; `make tasks`."""

import sys

import models
import pins

TASKS = pins.CACHE / "tasks"


def main():
    """Fetches what is missing, prints where each task is."""
    models.fetch("task.", TASKS)


if __name__ == "__main__":
    try:
        main()
    except pins.Unavailable as reason:
        sys.exit(f"error: cannot fetch the tasks: {reason}")
