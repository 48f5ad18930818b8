"""Data definitions: facts, states, errors, documents, tables; imports no other package of ours."""
