"""Text from files, the database and the network, made safe to print."""

import json


def escaped(text: str) -> str:
    """`text` on one line, with everything that is not printable escaped as in JSON.

    This covers control characters, ANSI escapes, line breaks, invisible and bidirectional
    characters.
    """
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
