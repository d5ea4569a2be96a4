"""An AgentOS whose agent uses a second AgentOS, with the rights of whoever asks it. Copy it.

    pip install 'agno[os]' openai dist/agentos_issuer_sdk-*.whl
    CLIENT_SECRET_FILE=secret.txt python examples/acting_agentos.py

See docs/how-to/act-on-behalf.md. The second one is like examples/agentos.py, with `mcp=True`.
"""

import os
from pathlib import Path

import uvicorn
from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.os import AgentOS
from agno.tools.mcp import MCPTools

from issuer.agentos import Verifier
from issuer.client import TokenClient
from issuer.client.agno import mcp_headers

ISSUER = os.environ.get("ISSUER_URL", "http://127.0.0.1:9000")
ARCHIVE = os.environ.get("ARCHIVE_URL", "http://127.0.0.1:7778")

verifier = Verifier(ISSUER, audience="my-os")
tokens = TokenClient(
    ISSUER,
    "my-os-agents",
    client_secret=Path(os.environ["CLIENT_SECRET_FILE"]),
    audience="archive",
)
acting = verifier.on_behalf_of(tokens)
archive = MCPTools(
    url=f"{ARCHIVE}/mcp",
    transport="streamable-http",
    header_provider=mcp_headers(acting),
    refresh_connection=True,
)
helper = Agent(
    id="helper",
    name="Helper",
    model=OpenAIChat(id="gpt-5-mini"),
    tools=[archive],
    pre_hooks=[acting.async_token],
)
agent_os = AgentOS(id="my-os", agents=[helper], **verifier.auth())
app = verifier.attach(agent_os.get_app())

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "7777")))
