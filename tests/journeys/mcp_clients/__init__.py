"""MCP clients as people use them, each in a process of its own."""
