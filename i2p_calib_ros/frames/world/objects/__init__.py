"""What stands and moves in a place: vehicles, people, plants, street furniture; each a mesh in its body frame."""
