"""The answer in which the link of an invitation is shown, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from issuer.fields.times import in_seconds
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import User
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.views import Command, ConsolePage
from issuer.web.visit import Visit


@dataclass(frozen=True, kw_only=True)
class InvitationLinkPage(ConsolePage):
    """`url` is a secret: whoever opens it first becomes the user."""

    TEMPLATE = "console/invitation_link.html"
    person: User
    done: str
    url: str = field(repr=False)
    expires_at: datetime

    @property
    def title(self) -> str:
        return self.done


def invitation_link(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    user: User,
    invitation: NewInvitation,
    done: str,
    commands: Sequence[Command],
) -> Response:
    page = InvitationLinkPage(
        frame=endpoint.frame(operator, visit),
        commands=commands,
        person=user,
        done=done,
        url=invitation.url,
        expires_at=invitation.expires_at,
    )
    return endpoint.site.pages.answer(page)


def invitation_command(
    endpoint: ConsoleEndpoint, user: User, fields: InvitationFields | None = None
) -> Command:
    """The command and the request that make such a link; by default for three days."""
    options: list[str] = []
    body: dict[str, object] = {}
    if fields is not None:
        body = {"lifetime": in_seconds(fields.lifetime)}
        options = ["--lifetime", f"{in_seconds(fields.lifetime)}s"]
        if fields.by_email:
            body, options = {**body, "by_email": True}, [*options, "--by-email"]
    cli, path = ("user", "invite", user.id, *options), ("users", user.id, "invitation")
    return endpoint.commands.command(cli, "POST", path, body)
