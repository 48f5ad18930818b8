"""The frozen object of policy numbers."""

import dataclasses
import pickle

import pytest

from policy.configuration import AudioPolicy, CleanupRules, CostRules, RetentionDays
from schema.states import UserTier


def test_the_defaults_are_the_products_promises():
    assert dataclasses.asdict(AudioPolicy()) == {
        "retention_days": {"free": 30, "plus": 90, "premium": 365, "guest": 1, "system": 7},
        "signed_url_ttl_days": 7,
        "signed_url_lead_time_days": 1,
        "key_prefix": "audio/",
        "cleanup": {
            "schedule": "0 3 * * *",
            "page_size": 100,
            "grace_period_days": 7,
            "soft_delete": True,
            "dry_run": False,
        },
        "costs": {
            "storage_alert_threshold_gb": 50,
            "transfer_alert_threshold_gb": 100,
            "storage_usd_per_gb_month": 0.02,
            "transfer_usd_per_gb": 0.09,
        },
    }


def test_every_tier_has_a_period():
    assert {field.name for field in dataclasses.fields(RetentionDays)} == {*UserTier}


def test_the_policy_is_frozen_hashable_and_survives_pickling():
    policy = AudioPolicy()
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(policy) == hash(AudioPolicy())
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.signed_url_ttl_days = 1


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: RetentionDays(guest=-1), "guest"),
        (lambda: CleanupRules(page_size=0), "page_size"),
        (lambda: CleanupRules(grace_period_days=-1), "grace_period_days"),
        (lambda: CostRules(transfer_usd_per_gb=-0.01), "transfer_usd_per_gb"),
        (lambda: AudioPolicy(signed_url_ttl_days=0), "signed_url_ttl_days"),
        (lambda: AudioPolicy(signed_url_ttl_days=8), "signed_url_ttl_days"),
        (lambda: AudioPolicy(signed_url_lead_time_days=7), "signed_url_lead_time_days"),
        (lambda: AudioPolicy(signed_url_lead_time_days=-1), "signed_url_lead_time_days"),
    ],
)
def test_a_number_that_would_do_harm_is_refused_by_name(build, named):
    with pytest.raises(ValueError, match=named):
        build()


@pytest.mark.parametrize("key", ["exports/a.wav", "AUDIO/a.wav", "audio/../a.wav", "audio/\n", ""])
def test_a_key_that_is_not_ours_is_refused_with_a_reason(key):
    assert len(AudioPolicy().key_refusal(key)) > 20


def test_a_key_of_ours_is_not_refused():
    assert AudioPolicy().key_refusal("audio/user/conversation/message_1.wav") is None
    assert AudioPolicy(key_prefix="other/").key_refusal("audio/a.wav") is not None
