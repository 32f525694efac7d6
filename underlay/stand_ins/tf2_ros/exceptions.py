"""What a look-up raises."""


class TransformException(Exception):
    """Base of all."""


class LookupException(TransformException):
    """A frame that no transform names."""


class ConnectivityException(TransformException):
    """Two frames that no chain of transforms connects."""
