"""Requests of people: from the form to the answer, with every change a row and every due date a function of events."""
