"""The commands of `osmia`, one file per command; `app` has their list, and imports each when it is called."""
