"""``python -m infra.cli`` is `qala`."""

from infra.cli import main

main()
