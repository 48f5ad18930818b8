"""Every number of the policy takes effect somewhere."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from policy.configuration import AudioPolicy, CleanupRules, CostRules

PROJECT = Path(__file__).parents[2]
READERS = ("cli", "deployments", "flows", "policy", "reports", "stores", "tasks")
SOURCE = "\n".join(
    path.read_text()
    for package in READERS
    for path in (PROJECT / package).rglob("*.py")
    if path.name != "configuration.py"
)
NAMES = [one.name for rules in (AudioPolicy, CleanupRules, CostRules) for one in fields(rules)]


@pytest.mark.parametrize(
    "name", sorted(set(NAMES) - {"key_prefix"})
)  # read by `AudioPolicy.key_refusal`
def test_every_number_of_the_policy_is_read(name):
    assert re.search(rf"\.{name}\b", SOURCE)
