"""The promises: documents, clauses, versions, cutoffs, regimes and the clocks they set."""
