"""The audio bucket: objects, listings, versions, signed URLs."""
