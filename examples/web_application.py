"""A web application whose users sign in at the issuer, and that calls an AgentOS as them.

    pip install authlib httpx itsdangerous starlette uvicorn
    CLIENT_SECRET=… python examples/web_application.py

See docs/how-to/sign-in-from-a-web-application.md.
"""

import os
import secrets

import httpx
import uvicorn
from authlib.integrations.starlette_client import OAuth, OAuthError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

ISSUER = os.environ.get("ISSUER_URL", "http://127.0.0.1:9000")
AGENT_OS = os.environ.get("AGENT_OS", "http://127.0.0.1:7777")
AUDIENCE = "my-os"

provider = OAuth().register(
    "issuer",
    client_id="reports",
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
)
# Of each session; with more than one process, keep them in a database.
access_tokens: dict[str, str] = {}


async def home(request: Request) -> Response:
    if "name" not in request.session:
        return HTMLResponse('<a href="/sign-in">Sign in</a>')
    return HTMLResponse('You are signed in. <a href="/agents">Your agents</a>')


async def sign_in(request: Request) -> Response:
    callback = str(request.url_for("callback"))
    return await provider.authorize_redirect(request, callback, resource=AUDIENCE)


async def callback(request: Request) -> Response:
    """Authlib checks the state, redeems the code with its verifier, and checks the ID token."""
    try:
        token = await provider.authorize_access_token(request)
    except OAuthError as error:
        return JSONResponse({"error": error.error, "description": error.description}, 400)
    session_id = secrets.token_urlsafe()
    access_tokens[session_id] = token["access_token"]
    request.session.update(id=session_id, name=token["userinfo"]["sub"])
    return RedirectResponse("/", 303)


async def agents(request: Request) -> Response:
    access_token = access_tokens.get(request.session.get("id", ""))
    if access_token is None:
        return RedirectResponse("/sign-in", 303)
    async with httpx.AsyncClient() as http:
        bearer = {"Authorization": f"Bearer {access_token}"}
        answer = await http.get(f"{AGENT_OS}/agents", headers=bearer)
    if answer.status_code == httpx.codes.UNAUTHORIZED:  # expired or revoked
        return RedirectResponse("/sign-in", 303)
    return JSONResponse(answer.json(), answer.status_code)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/sign-in", sign_in),
        Route("/callback", callback, name="callback"),
        Route("/agents", agents),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_urlsafe())],
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8000)
