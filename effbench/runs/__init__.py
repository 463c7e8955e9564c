"""Many cells: a process for each, folders, progress, resuming."""
