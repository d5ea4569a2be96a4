"""A service that calls an agent of an AgentOS, with tokens of its own. Copy it.

    pip install fastapi uvicorn dist/agentos_issuer_sdk-*.whl
    CLIENT_SECRET_FILE=secret.txt python examples/calling_service.py
    curl --json '{"question": "What is new?"}' http://127.0.0.1:8000/answers

See docs/how-to/call-an-agentos-from-a-service.md.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from issuer.client import TokenClient

ISSUER = os.environ.get("ISSUER_URL", "http://127.0.0.1:9000")
AGENT_OS = os.environ.get("AGENT_OS", "http://127.0.0.1:7777")
AGENT_SECONDS = 60

tokens = TokenClient(
    ISSUER,
    os.environ.get("CLIENT_ID", "ci-bot"),
    client_secret=Path(os.environ["CLIENT_SECRET_FILE"]),
    audience="my-os",
)


class AskedQuestion(BaseModel):
    """What a caller of this service sends."""

    question: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for all requests: it reuses connections, and all of them share one token."""
    async with httpx.AsyncClient(
        base_url=AGENT_OS, auth=tokens.auth(AGENT_OS), timeout=AGENT_SECONDS
    ) as app.state.agent_os:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/answers")
async def answer(question: AskedQuestion, request: Request) -> dict[str, str]:
    form = {"message": question.question, "stream": "false"}
    try:
        run = await request.app.state.agent_os.post("/agents/web/runs", data=form)
        run.raise_for_status()
    except httpx.HTTPError as error:  # a TokenError as well
        raise HTTPException(502, f"The agent did not answer: {error}") from None
    return {"answer": run.json()["content"]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
