"""`python -m ory_guard.cli` is `ory-guard`."""

from ory_guard.cli import main

main()
