"""What things are: frozen facts, states, errors, documents, tables; imports nothing of ours."""
