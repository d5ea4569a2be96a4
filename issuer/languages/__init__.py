"""The languages of the pages and of mail: which one a request gets, and its texts.

Texts are written in English where they are used, marked by `_`; catalogues are in
`translations/`. What a catalogue lacks stays English. docs/contributing.md says how to change them.
"""

from issuer.languages.catalogues import (
    LANGUAGES,
    N_,
    NAMES,
    SOURCE,
    Nn_,
    choose_language,
    first_known,
    in_language,
    language,
    ngettext,
    speak,
)
from issuer.languages.catalogues import gettext as _

__all__ = [
    "LANGUAGES",
    "NAMES",
    "N_",
    "SOURCE",
    "Nn_",
    "_",
    "choose_language",
    "first_known",
    "in_language",
    "language",
    "ngettext",
    "speak",
]
