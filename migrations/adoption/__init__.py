"""Adopt the app's live database: inspect, plan, change, undo; imports schema and stores."""
