"""The headers of pages: no scripts but our own file, no frames, no copies in caches."""

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it, browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def page_headers(
    *, has_script: bool, serves_request: bool, has_data_images: bool = False
) -> dict[str, str]:
    """The headers of one page; `serves_request` if it is a step of an authorization request.

    Such a step ends with a redirect to an application. Chromium applies `form-action` to
    the redirects after a form as well, so it stays out there. So does the opener policy: an
    application that opened the page in a window of its own waits for the answer there. Its URL may
    hold the whole request, which `Referer` need not repeat: proxies limit the size of headers.
    """
    policy = dict(_POLICY)
    if has_script:
        policy |= {"script-src": "'self'", "connect-src": "'self'"}
    if has_data_images:
        policy["img-src"] = "'self' data:"
    if serves_request:
        return {
            **_HEADERS,
            "Referrer-Policy": "strict-origin",
            "Content-Security-Policy": _text(policy),
        }
    policy["form-action"] = "'self'"
    return {
        **_HEADERS,
        "Content-Security-Policy": _text(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _text(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())
