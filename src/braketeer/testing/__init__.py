"""The pytest plug-in: a service for tests of programs that use Braket. Nothing here runs in production."""
