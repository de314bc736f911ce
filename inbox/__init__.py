"""Mail in: fetched, parsed, triaged and threaded."""
