"""The lists of rows, a file each, in pages."""
