// The behaviour of processes, start, deploy and decisions.
