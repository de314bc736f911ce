"""Checks that promises are true: drift between map and schema, content that must not be there, payloads at the door."""
