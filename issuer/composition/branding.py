"""What the pages look like that is the deployment's own."""

from issuer.errors import ConfigurationError
from issuer.fields.branding import Image, read_image
from issuer.files import read_regular, reason_of
from issuer.settings import Settings


def read_logo(settings: Settings) -> Image | None:
    """The file that `ISSUER_BRAND_LOGO` names; `ConfigurationError` if the pages cannot show it."""
    path = settings.brand_logo
    if path is None:
        return None
    try:
        content, _ = read_regular(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"ISSUER_BRAND_LOGO: {error}") from None
    except OSError as error:
        raise ConfigurationError(
            f"ISSUER_BRAND_LOGO cannot be read: {path}: {reason_of(error)}."
        ) from None
    try:
        return read_image(content)
    except ValueError as error:
        raise ConfigurationError(
            f"ISSUER_BRAND_LOGO: {path} {error}. Use a PNG or WebP file."
        ) from None
