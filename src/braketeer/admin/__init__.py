"""The operator's API under ``/_braketeer/``. What an AWS client can do does not belong here."""
