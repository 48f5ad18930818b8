"""Read texts of the languages other than English; imports nothing but `speech.text`."""
