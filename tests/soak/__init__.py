"""A load test with random faults that runs for minutes."""
