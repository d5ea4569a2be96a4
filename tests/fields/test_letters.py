"""Letters that differ in case or accents alone are found by each other."""

import sys

from issuer.fields.letters import alike, plain_form


def test_letters_are_like_those_with_other_accents_and_in_the_other_case():
    for letter, others in (("o", "OóÔöøŐ"), ("É", "eEéè"), ("ñ", "nN"), ("ß", "ẞ"), ("ж", "Ж")):
        assert {letter, *others} <= {*alike(letter)}
    assert "o" not in alike("0")
    assert plain_form("Øystein NÚÑEZ Straße") == "oystein nunez strasse"


def test_each_character_is_like_itself_and_signs_only_like_themselves():
    for character in map(chr, range(0x3000)):
        assert character in alike(character)
        assert character.isalpha() or alike(character) == character


def test_a_set_of_letters_has_letters_alone_and_is_short():
    """It stands within brackets of a pattern, which SQLite lets have 50,000 bytes."""
    for character in map(chr, range(sys.maxunicode // 8)):
        found = alike(character) if character.isalpha() else "a"
        assert found.isalpha()
        assert len(found.encode("utf-8", "surrogatepass")) * 255 < 50_000
