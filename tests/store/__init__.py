"""Storage: what every store must do, what goes wrong on real disks, and the read side."""
