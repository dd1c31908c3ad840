"""A driver whose module ends the process that imports it."""

raise SystemExit(3)
