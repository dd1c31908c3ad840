"""Decides: ids and ARNs, life cycles, queue order, associations, roles, errors. Pure functions of rows and a clock.

No I/O may come in here, and nothing of ours is imported.
"""
