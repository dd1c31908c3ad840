"""Remembers: tables, named queries, migrations; SQLite now, PostgreSQL by the same statements.

No decision is taken here and no file outside the database is touched; a query module is named after what it keeps.
"""
