"""Pure functions on tables of cells: figures, identity, comparisons, statistics, papers."""
