"""What a camera sees of a place: light, shading, the sensor."""
