"""Results: from a final state to the document that clients read.

Exact values or shots, one state for all of them. What may not come in: parsing, and evolving a circuit.
"""
