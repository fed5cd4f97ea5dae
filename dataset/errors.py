"""The one error for bad input: a sentence that says what is wrong, where, and what to do. The command exits with 2."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is the whole explanation."""
