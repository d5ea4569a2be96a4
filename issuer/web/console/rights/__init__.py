"""Who may do what, as screens of the console show it."""
