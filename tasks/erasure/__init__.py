"""Tasks that erase all of one learner."""
