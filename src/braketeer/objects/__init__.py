"""Keeps bytes: buckets and objects, in the database and in immutable files beside it.

Nothing here knows HTTP, XML or Braket; what a bucket means to a caller is decided in services/s3.
"""
