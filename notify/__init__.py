"""What leaves the house: mail rendered from templates, handed over once, and shown where there is no mail server."""
