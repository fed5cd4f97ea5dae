"""Errors that are sentences: what is wrong, where, and what to do. The command exits with 2."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is the whole explanation."""


class StorageError(InputError):
    """Storage cannot be used for now: a disk is full, a server does not answer. Going on later may succeed; nothing is lost."""
