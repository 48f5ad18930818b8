"""Messages to analyse, their leases and their analyses."""
