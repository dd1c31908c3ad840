"""The catalogue: which devices there are, what their capability documents say, and their limits.

No state is kept here (status is in the store) and nothing is computed.
"""
