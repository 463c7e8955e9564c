"""All that asks the hardware: devices, locks, memory, energy, provenance."""
