"""From a waveform to features, pitch and the likelihoods of the acoustic model's states."""
