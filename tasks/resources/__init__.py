"""Resources that tasks share within a process, created at first use."""
