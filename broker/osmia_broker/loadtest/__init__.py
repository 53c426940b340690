"""Put load on a broker, measure it with honest percentiles, and check the books: the part behind `osmia bench`.

`plan` describes the load. `lane` is one client process that makes its share. `run` starts the lanes and collects their
books. `books` compares these with each other and with the broker's lists. `machine` reads the cost in CPU, memory and disk.
"""
