"""The tables of a partition that do more than hold rows, a file each."""
