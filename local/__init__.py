"""One machine: real servers in a private folder, the demo, the screenshots; not in the wheel."""
