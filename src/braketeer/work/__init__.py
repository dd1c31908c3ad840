"""Does: claims queued work, runs it in processes that may be killed, and stores what comes back.

No HTTP and no AWS shapes come in here; what a client may ask is the business of services.
"""
