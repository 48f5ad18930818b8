"""Tasks that erase everything stored about one learner."""
