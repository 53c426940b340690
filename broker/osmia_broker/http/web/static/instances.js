// The behaviour of instances, incidents and diagrams.
