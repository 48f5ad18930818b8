"""Prefect flows: they only order tasks; of what runs in Prefect, only they read the clock."""

import logging

# This message of Prefect's repeats all parameters: whom to erase, and why. The run's next message
# and its state name the parameters that were refused.
logging.getLogger("prefect.flows").addFilter(
    lambda record: not record.getMessage().startswith("Parameter validation failed")
)
