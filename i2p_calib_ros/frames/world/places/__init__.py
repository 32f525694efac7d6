"""Places that are built of objects, roads and buildings."""
