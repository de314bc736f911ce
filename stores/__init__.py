"""Where people's data are: the contract of a store, one file for each kind, and the data map over them."""
