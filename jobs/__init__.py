"""What makes things happen: the scheduler, the local executor and the command line."""
