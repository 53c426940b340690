"""`python -m osmia_broker` is the command line `osmia`."""

from osmia_broker.cli import main

main()
