"""`python -m osmia_broker` is the command line `osmia`."""

from osmia_broker.cli import main

if __name__ == "__main__":  # the load test's processes import this module and must not start it again
    main()
