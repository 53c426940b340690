"""The parts of `osmia demo`: its broker, what a person sees while it runs, and the demo of two brokers on one database."""
