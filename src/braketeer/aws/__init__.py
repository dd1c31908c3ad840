"""Speaks AWS: signatures, protocols and the request path, all derived from botocore's service models.

No service is known here: operations and the look-up of keys are handed in.
"""
