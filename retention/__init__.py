"""Retention: which clauses are due, which runs wait for a person, and the sweeps themselves."""
