"""The promise board: each clause of the version in force, its state, and the evidence that says so."""
