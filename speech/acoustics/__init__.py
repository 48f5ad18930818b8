"""Features and pitch of a waveform, and likelihoods of the acoustic model's states."""
