"""The ground every room stands on: settings, clock, errors, database, leases, outbox, operators, rendering."""
