"""Small parts that everything may use: errors, addresses, ports, files, logs, XML from anybody."""
