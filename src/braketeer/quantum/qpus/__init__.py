"""Emulated QPUs: a circuit is checked against a target, compiled for it, and simulated with its noise.

What may not come in: capability documents, makers' web services; all that is known of a device is its ``Target``.
"""
