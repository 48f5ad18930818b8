"""Every published figure has a script here that prints it, beside a peer or a floor."""
