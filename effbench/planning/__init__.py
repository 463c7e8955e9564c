"""From what a user asks for to a list of cells: plug-ins found, suites read, grids expanded."""
