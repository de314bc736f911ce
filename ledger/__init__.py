"""The ledger: entries that are written once, the Merkle tree over them, signed checkpoints, proofs and their verification."""
