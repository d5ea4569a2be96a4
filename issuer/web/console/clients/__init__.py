"""The screens of clients."""
