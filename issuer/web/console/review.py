"""`/console/review`: which rights nobody uses, and what would be enough for a client or user."""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, islice
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.errors import NotAllowed
from issuer.fields.spreadsheet import as_csv
from issuer.manifest.exporting import write_yaml
from issuer.operations import commands
from issuer.review.evidence import COLUMNS, READS, ReviewFinding, as_rows
from issuer.review.proposals import Proposal, propose
from issuer.review.reviewing import (
    AccessReviewPlace,
    access_review,
    access_review_part,
    review_of_holders,
)
from issuer.users import USER
from issuer.web.console.configuration import ConfigurationScreen
from issuer.web.console.rights.last_use import of_reports
from issuer.web.console.rights.review_table import PARAMETERS, VERDICTS, review_table
from issuer.web.console.screens.screen import CONFLICT, ConsoleScreen
from issuer.web.console.screens.views import Listing

_LOOKED_AT = 2_000  # clients, and as many users
_SHOWN = 100  # findings of a kind
_EXPORTED = 10_000
_ON_A_PAGE = 500
_PLACE = re.compile(r"(client|user):(\d{1,9}):([ -~]{1,255})", re.ASCII)


def _by_subject(findings: Iterable[ReviewFinding]) -> list[list[ReviewFinding]]:
    """The findings of a client, user or role, which follow each other, in one list."""
    return [list(some) for _, some in groupby(findings, lambda f: f.principal or f.through)]


class ReviewingScreen(ConsoleScreen):
    """Needs what `/admin/v1/review` needs."""

    SLOW = ("GET",)

    @classmethod
    def scopes(cls) -> Iterable[str]:
        return [each.read for each in READS]


class ReviewScreen(ReviewingScreen):
    """`?propose=ID` shows the smallest rights that cover what the client or user used.

    Other parameters filter, sort and page the table of what each holds.
    """

    PATH = "/console/review"
    LABEL = "Review"
    PARAMETERS = ("propose", *PARAMETERS)

    def show(self) -> Response:
        name = self.visit.query.get("propose", "")
        try:
            proposal = self._proposal(name) if name else None
        except NotAllowed as error:
            return self._page(str(error), status=CONFLICT)
        return self._page() if proposal is None else self._proposal_page(name, proposal)

    def _proposal(self, name: str) -> Proposal:
        with self.operator.reading(AUDIENCE.read) as work:
            return propose(work, name, self.parts.clock())

    def _page(self, error: str = "", status: int = 200) -> Response:
        with self.operator.reading(AUDIENCE.read) as work:
            now = self.parts.clock()
            found, holders = review_of_holders(work, now, most=_LOOKED_AT)
            unknown = of_reports(work, found.coverage)
        table, filters = review_table(holders, self.visit.query, self.site.base + self.PATH)
        kinds = {kind: [*findings] for kind, findings in groupby(found.findings, lambda f: f.kind)}
        return self.answer(
            "review",
            "Review",
            status=status,
            listing=table,
            filters=filters,
            audiences=sorted({each.audience for each in holders}),
            verdicts=VERDICTS,
            error=error,
            unknown=unknown,
            kinds={kind.value: _by_subject(each[:_SHOWN]) for kind, each in kinds.items()},
            numbers={kind.value: len(each) for kind, each in kinds.items()},
            most_shown=_SHOWN,
            looked_at=_LOOKED_AT,
            is_complete=found.is_complete,
            most=_EXPORTED,
            commands=(commands.REVIEW,),
        )

    def _proposal_page(self, name: str, proposal: Proposal) -> Response:
        """Planned by the form of the configuration, which asks before it applies anything."""
        form = self.site.form(self.visit, ConfigurationScreen.PATH)
        return self.answer(
            "proposal",
            "Proposal",
            name=name,
            proposal=proposal,
            source=write_yaml(dict(proposal.manifest)),
            plan_form=replace(form, once=""),
            plan_path=ConfigurationScreen.PATH,
            may_plan=ConfigurationScreen.opens_for(self.operator),
            commands=(commands.propose(name),),
        )


class AccessReviewScreen(ReviewingScreen):
    """Who holds what, laid out for paper. `?after=` is where a page begins."""

    PATH = "/console/review/access"
    PARAMETERS = ("after",)

    def show(self) -> Response:
        now, after = self.parts.clock(), _place(self.visit.query.get("after", ""))
        with self.operator.reading(AUDIENCE.read) as work:
            part = access_review_part(work, now, after, _ON_A_PAGE)
            unknown = of_reports(work, part.coverage)
            given_by = {each.given_by for each in part.rows if each.given_by}
            givers = work.audit_log.names(given_by, [USER.name])
        url = self.site.base + self.PATH
        following = part.next and f"{part.next.kind}:{part.next.rows}:{part.next.id}"
        return self.answer(
            "access_review",
            "Access review",
            is_scripted=True,
            commands=(commands.REVIEW_AS_CSV,),
            now=now,
            unknown=unknown,
            givers=givers,
            listing=Listing(
                tuple(part.rows),
                "",
                next_url=f"{url}?{urlencode({'after': following})}" if following else "",
                first_url=url if after else "",
            ),
        )


def _place(text: str) -> AccessReviewPlace | None:
    """The beginning, unless the text is that of a place."""
    found = _PLACE.fullmatch(text)
    return AccessReviewPlace(found[1], found[3], int(found[2])) if found else None


class AccessReviewExportScreen(ReviewingScreen):
    """Who holds what, as a file for spreadsheets."""

    PATH = "/console/review/export"

    def show(self) -> Response:
        with self.operator.reading(AUDIENCE.read) as work:
            reviewed = islice(access_review(work, self.parts.clock()), _EXPORTED)
            text = as_csv(as_rows(reviewed), COLUMNS)
            return self.download(text, "text/csv", "access-review.csv")
