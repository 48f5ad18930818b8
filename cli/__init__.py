"""`kaiwa-audio`: thin commands over tasks, stores and deployments."""
