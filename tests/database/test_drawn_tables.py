"""The page about the tables is drawn from their models."""

from tests.database.drawn_tables import PAGE, described, page


def test_the_page_of_tables_is_as_the_models_are():
    assert PAGE.read_text() == page(), "python -m tests.database.drawn_tables writes it"


def test_every_table_says_what_a_row_is():
    assert [table.name for table, purpose, _ in described() if not purpose] == []
