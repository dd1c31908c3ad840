"""Answers: one plain class a service, one typed method an operation.

No HTTP comes in here; a method takes the caller and the parsed members, and returns members or raises a ServiceError.
"""
