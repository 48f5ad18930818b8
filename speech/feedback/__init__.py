"""What to tell a learner, from measures alone; knows neither audio nor models."""
