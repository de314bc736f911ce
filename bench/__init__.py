"""Measures the numbers that the README tells; nothing here is part of the product or of the tests."""
