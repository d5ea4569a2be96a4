"""An AgentOS that accepts the tokens of an issuer. Copy it, and replace the agent with yours.

    pip install 'agno[os]' openai dist/agentos_issuer_sdk-*.whl
    ISSUER_URL=http://127.0.0.1:9000 python examples/agentos.py

Runs need OPENAI_API_KEY; listing agents does not. See docs/how-to/connect-an-agentos.md.
"""

import os

import uvicorn
from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.os import AgentOS

from issuer.agentos import Verifier

ISSUER = os.environ.get("ISSUER_URL", "http://127.0.0.1:9000")
AUDIENCE = "my-os"

verifier = Verifier(ISSUER, audience=AUDIENCE)
agent_os = AgentOS(
    id=AUDIENCE,
    agents=[Agent(id="web", name="Web", model=OpenAIChat(id="gpt-5-mini"))],
    **verifier.auth(),
)
app = verifier.attach(agent_os.get_app())

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "7777")))
