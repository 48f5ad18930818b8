"""SQL for a learner's current tier: that of the newest subscription, as the app reads it.

The app orders by `updated_at DESC`, so NULL comes first. `current_tier` is the app's own enum,
which psycopg does not know: cast it to text.
"""

_NEWEST_FIRST = "s.updated_at DESC, s.created_at DESC, s.id"
# Tier of the learner `c.user_id`; NULL without a subscription.
CURRENT_TIER = f"""(
            SELECT CAST(s.current_tier AS text) FROM subscriptions AS s
            WHERE s.user_id = c.user_id ORDER BY {_NEWEST_FIRST} LIMIT 1
        )"""  # noqa: S608 - ours
# One row for each learner who has subscribed: user_id, current_tier.
CURRENT_TIERS = f"""
    SELECT DISTINCT ON (s.user_id) s.user_id, CAST(s.current_tier AS text) AS current_tier
    FROM subscriptions AS s ORDER BY s.user_id, {_NEWEST_FIRST}"""  # noqa: S608 - ours
