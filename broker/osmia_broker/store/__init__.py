"""Where rows are kept: `schema` owns tables and indexes, `sqlite` writes and loads for a partition, `queries` reads for people."""
