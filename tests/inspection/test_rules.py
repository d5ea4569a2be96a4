"""The table of rules, and the page that lists it."""

import re

from issuer.inspection.rules import RULES
from tests.journeys.running_issuer import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "inspection.md").read_text()


def test_the_page_lists_every_rule_with_its_severity_and_no_other():
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert listed == [(each.name, each.severity, each.summary) for each in RULES]


def test_each_rule_has_a_name_of_its_own_and_a_remedy():
    assert len({each.name for each in RULES}) == len(RULES)
    for each in RULES:
        remedy = each.remedy.format(issuer="ISSUER", audience="AUDIENCE", url="URL")
        assert remedy
        assert "{" not in remedy
