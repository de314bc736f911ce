"""The example gateway: an LLM gateway with made-up people and the arrivals of a real trace."""
