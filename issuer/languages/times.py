"""An instant as people read it."""

from datetime import datetime

from issuer.fields.times import utc
from issuer.languages.catalogues import Say, gettext


def date_and_time(instant: datetime, _: Say = gettext) -> str:
    """ "2026-11-26 20:40 UTC", in German "26.11.2026, 20:40 Uhr (UTC)"."""
    date, time, _zone = utc(instant).split()
    year, month, day = date.split("-")
    return _("%(year)s-%(month)s-%(day)s %(time)s UTC", year=year, month=month, day=day, time=time)
