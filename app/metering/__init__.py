"""What was used: ingestion of usage events, their aggregation, and events that come late."""
