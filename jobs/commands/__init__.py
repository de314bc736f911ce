"""The commands of `kept`, one file for each thing they are about."""
