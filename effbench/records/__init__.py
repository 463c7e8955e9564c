"""The written truth and tables of it. Never imports torch."""
