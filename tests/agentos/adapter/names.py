"""What tests share with the processes of AgentOS that they start. It imports no agno."""

AUDIENCE = "my-os"
COOKIE = "session_token"
USAGE_REPORT = "issuer:usage:report"
