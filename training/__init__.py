"""Training of the models that ship; never imported at run time."""
