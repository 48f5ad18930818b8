"""How the shipped scores were fitted; never imported at run time."""
