"""Example workspaces that `kept init --example NAME` can write."""
